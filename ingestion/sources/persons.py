"""Whom a path names: `user_id=P-017` in a folder or in the file name, the label in a Fitabase name, or a pattern."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from ingestion.errors import ConfigurationError
from ingestion.sources.declarations import declared
from ingestion.sources.model import DATE, KEY, STATED, Layout

_PACKED = r"(?:\.(?:csv|tsv|json|ndjson|jsonl|parquet|xlsx|xml|db|zip|tar|tgz|gz|zst))*$"
# `id` alone is a key of its own, and no part of another
_STATEMENT = re.compile(rf"(?i)(?:^|[ ._-](?!id=)){KEY}=(.*)")
# what may stand behind the participant in a file name, and in a folder
_BEHIND = re.compile(rf"(?i)(?:[ ._-](?:{STATED}|merged|{DATE}|\(\d+\)|to))+$")
_STATED_BEHIND = re.compile(rf"(?i)(?:[ ._-](?:{STATED}))+$")
_SEPARATOR = re.compile(r"[ ._-]")
_SPAN = re.compile(rf"(?i)[ ._-]\d{{8}}[ ._-]\d{{8}}{_PACKED}")
_ID = re.compile(r"(?i)ID[ _-]+")
_LONGEST = 64
_HIDDEN = "***"
# set once, at the start of the process; see `configure`
_template: list[re.Pattern[str]] = []


def configure(template: str | None) -> None:
    """Set which part of a path names the participant, for this process.

    Arguments:
        template: the path with `{person}` in the place of the participant: `{person}/**` is the first folder. `*` is
            any part of a name, `**` are any folders. None for no template.

    Raises:
        ConfigurationError: `{person}` is not there once.

    """
    _template[:] = [compiled(template)] if template else []
    person_in.cache_clear()


@cache
def compiled(template: str) -> re.Pattern[str]:
    """Return the pattern of a template; see `configure`."""
    if template.count("{person}") != 1:
        raise ConfigurationError(
            "the pattern of paths must have {person} once", hint="{person}/** is the first folder of a path."
        )
    pattern = "".join(
        _TOKENS.get(token, re.escape(token)) for token in re.split(r"(\{person\}|\*\*/|\*\*|\*)", template)
    )
    return re.compile(pattern)


_TOKENS = {"{person}": "(?P<person>[^/]+?)", "**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*"}


@lru_cache(maxsize=65_536)
def person_in(path: str) -> str | None:
    """Return the participant whom a path names, as written there; None where it names nobody, or several.

    `user_id=LABEL` names them, as a folder or in the name of the file. Without it, a pattern that the study or the
    declaration has set does; without that, the label in front of a Fitabase name such as
    `P00001_dailySteps_20260101_20260401.csv`.

    Arguments:
        path: a file's name in the landing zone.

    """
    for found in (_stated(path), _by_pattern(path), _label(path)):
        persons = {person.strip() for person in found if person.strip()}
        if persons:
            return persons.pop() if len(persons) == 1 else None
    return None


def without_user_id(text: str) -> str:
    """Return a text with `***` in place of each participant whom a path in it names, to leave the machine."""
    hidden = re.sub(rf"(?i)((?<![a-z0-9]){KEY}=)(?:[^/\n]{{1,{_LONGEST}}}(?=/)|[^\s/,;:]+)", _hide_statement, text)
    hidden = _in_span().sub(lambda match: f"{_HIDDEN}{match['rest']}", hidden)
    return re.sub(r"[^\s,;:]*/[^\s,;:]*", _hide_part, hidden) if _template else hidden


def _hide_statement(match: re.Match[str]) -> str:
    value = match[0][len(match[1]) :]
    person = next(_stated_in_name(match[0]), value) if not match[0].endswith("/") else value
    suffix = re.search(rf"(?i){_PACKED}", value)
    after = value[len(person) :] or (suffix[0] if suffix else "")
    return f"{match[1]}{_HIDDEN}{after}"


def _hide_part(match: re.Match[str]) -> str:
    path = match[0]
    found = next((found for template in _template if (found := template.fullmatch(path))), None)
    return f"{path[: found.start('person')]}{_HIDDEN}{path[found.end('person') :]}" if found else path


@cache
def _in_span() -> re.Pattern[str]:
    stems = "|".join(sorted({layout.stem_pattern for layout in _layouts()}))
    return re.compile(
        rf"(?i)[^/\n:]{{1,{_LONGEST}}}?(?P<rest>[ ._-](?:{stems})(?:[ ._-]?merged)?[ ._-]\d{{8}}[ ._-]\d{{8}})"
    )


@cache
def _layouts() -> tuple[Layout, ...]:
    return tuple(layout for dataset in declared() for layout in dataset.layouts)


def _stated(path: str) -> Iterator[str]:
    *folders, name = path.split("/")
    for folder in folders:
        # an archive is a folder that has a name like a file
        if folder.endswith("!"):
            yield from _stated_in_name(folder[:-1])
        elif found := _STATEMENT.search(folder):
            yield _STATED_BEHIND.sub("", found[1])
    yield from _stated_in_name(name)


def _stated_in_name(name: str) -> Iterator[str]:
    found = _STATEMENT.search(name)
    if not found:
        return
    value = found[1]
    ends = [match.start() for match in _SEPARATOR.finditer(value[: _LONGEST + 1])]
    of_dataset = [end for end in ends if _is_name(value[end + 1 :])]
    if of_dataset:
        yield _BEHIND.sub("", value[: of_dataset[-1]])
        return
    value = _BEHIND.sub("", re.sub(rf"(?i){_PACKED}", "", value))
    # 17_A_walks.csv may be of 17, or of 17_A
    if not re.search(r"[ ._]", value) or _is_name(name):
        yield value


def _is_name(name: str) -> bool:
    return any(layout.pattern.fullmatch(name) for layout in _layouts())


def _by_pattern(path: str) -> Iterator[str]:
    name = path.rpartition("/")[2]
    declared_patterns = (compiled(each.person) for each in _layouts() if each.person and each.pattern.fullmatch(name))
    for pattern in (*_template, *declared_patterns):
        if found := pattern.fullmatch(path):
            yield found["person"]


def _label(path: str) -> Iterator[str]:
    name = path.rpartition("/")[2]
    if not _SPAN.search(name):
        return
    ends = [match.start() for match in _SEPARATOR.finditer(name[: _LONGEST + 1])]
    for end in reversed(ends):
        label, rest = _ID.sub("", name[:end], count=1), name[end + 1 :]
        if any(layout.begins(rest) for layout in _layouts()):
            # a word may be part of what is measured: resting_heart_rate
            if any(character.isdigit() for character in label) and not re.fullmatch(DATE, label):
                yield label
            return
