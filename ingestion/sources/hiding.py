"""Paths and texts that leave the machine, without the participants whom paths name."""

import re
from collections.abc import Iterator
from functools import cache

from ingestion.sources import persons
from ingestion.sources.model import KEY

# of a part of a path, in most file systems
_LONGEST = 255
_SUFFIX = r"(?:\.(?:csv|tsv|jsonl?|ndjson|parquet|xlsx|xml|db|zip|tar|tgz|gz|zst))+(?![a-z0-9!])"
# in a text, a label ends where its folder or its file name does: it may have blanks and commas
_STATEMENT = re.compile(
    rf"(?i)(?<![a-z0-9])({KEY}=)(?:[^/\n]{{1,{_LONGEST}}}?{_SUFFIX}|[^/\n]{{1,{_LONGEST}}}(?=/)|[^\s/,;:]+)"
)
_BEFORE_SUFFIX = re.compile(rf"(?i)^.*?(?={_SUFFIX})")


def path_without_person(path: str) -> str:
    """Return a path with `***` in place of each participant whom it names, to leave the machine.

    Arguments:
        path: a file's name in the landing zone, and nothing else.

    """
    parts, done = [], 0
    for start, end in sorted(_spans(path)):
        # the same part may name somebody in two ways
        if start >= done and start < end:
            parts += [path[done:start], persons.HIDDEN]
        done = max(done, end)
    return "".join([*parts, path[done:]])


def without_user_id(text: str) -> str:
    """Return a text with `***` in place of each participant whom a path in it names, to leave the machine.

    It hides too much rather than too little: nobody can tell where a path with blanks begins in a text.

    Arguments:
        text: any text. For a path, `path_without_person` is exact.

    """
    hidden = _STATEMENT.sub(_hide_statement, text)
    hidden = _in_span().sub(lambda match: f"{persons.HIDDEN}{match['rest']}", hidden)
    if not persons.has_patterns():
        return hidden
    for part, without in persons.parts_of_unclear_paths().items():
        if part in hidden:
            # a replacement must not be read as a pattern
            hidden = without.join(re.split(rf"(?<!\w){re.escape(part)}", hidden))
    return persons.WORD.sub(_hide_word, hidden)


def _spans(path: str) -> Iterator[tuple[int, int]]:
    for span in persons.spans_of_patterns(path):
        yield _trimmed(path, *span)
    begin = 0
    *folders, name = path.split("/")
    for part in folders:
        yield from _stated(path, begin, part, is_name=part.endswith("!"))
        begin += len(part) + 1
    yield from _stated(path, begin, name, is_name=True)
    for label in persons.label_in(path):
        yield begin, begin + name.find(label) + len(label)


def _stated(path: str, begin: int, part: str, *, is_name: bool) -> Iterator[tuple[int, int]]:
    for found in re.finditer(rf"(?i)(?<![a-z0-9]){KEY}=", part):
        value = part[found.end() :]
        person = _person_in(value, is_name=is_name)
        yield _trimmed(path, begin + found.end(), begin + found.end() + len(person))


def _person_in(value: str, *, is_name: bool) -> str:
    """Return what stands for the participant behind `user_id=`; everything up to the suffix where that is unclear."""
    if not is_name:
        return persons.without_statements(value)
    name = value.removesuffix("!")
    before = _BEFORE_SUFFIX.match(name)
    return next(persons.stated_in_name(f"id={name}"), before[0] if before else name)


def _trimmed(path: str, start: int, end: int) -> tuple[int, int]:
    part = path[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def _hide_statement(match: re.Match[str]) -> str:
    key, value = match[1], match[0][len(match[1]) :]
    is_name = bool(re.search(rf"(?i){_SUFFIX}$", value))
    return f"{key}{persons.HIDDEN}{value[len(_person_in(value, is_name=True)) :] if is_name else ''}"


def _hide_word(match: re.Match[str]) -> str:
    word = match[0]
    if "/" not in word and "." not in word:
        return word
    span = next(persons.spans_of_patterns(word), None)
    return f"{word[: span[0]]}{persons.HIDDEN}{word[span[1] :]}" if span else word


@cache
def _in_span() -> re.Pattern[str]:
    stems = "|".join(sorted({layout.stem_pattern for layout in persons.layouts()}))
    return re.compile(rf"(?i)[^/\n:]{{1,64}}?(?P<rest>[ ._-](?:{stems})(?:[ ._-]?merged)?[ ._-]\d{{8}}[ ._-]\d{{8}})")
