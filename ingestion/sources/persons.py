"""Whom a path names: `user_id=P-017` in a folder or in the file name, the label in a Fitabase name, or a pattern."""

import re
from collections.abc import Iterator, Mapping
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
HIDDEN = "***"
# what a text separates from its other words
WORD = re.compile(r"""[^\s,;:'"()]*[^\s,;:'"().]""")
# set once, at the start of the process; see `configure`
_template: list[re.Pattern[str]] = []
_unclear: dict[str, str] = {}


def configure(template: str | None) -> None:
    """Set which part of a path names the participant, for this process.

    Arguments:
        template: the path with `{person}` in the place of the participant: `{person}/**` is the first folder. `*` is
            any part of a name, `**` are any folders. None for no template.

    Raises:
        ConfigurationError: `{person}` is not there once.

    """
    _template[:] = [compiled(template)] if template else []
    _unclear.clear()
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
    for found in (_stated(path), _by_pattern(path), label_in(path)):
        persons = {person.strip() for person in found if person.strip()}
        if persons:
            return persons.pop() if len(persons) == 1 else None
    return None


@cache
def layouts() -> tuple[Layout, ...]:
    """Return the layouts of all datasets."""
    return tuple(layout for dataset in declared() for layout in dataset.layouts)


def _stated(path: str) -> Iterator[str]:
    if "=" not in path:
        return
    *folders, name = path.split("/")
    for folder in folders:
        # an archive is a folder that has a name like a file
        if folder.endswith("!"):
            yield from stated_in_name(folder[:-1])
        elif found := _STATEMENT.search(folder):
            yield without_statements(found[1])
    yield from stated_in_name(name)


def without_statements(value: str) -> str:
    """Return what stands behind `user_id=` in a folder, without other statements: `_date_order=DMY`."""
    return _STATED_BEHIND.sub("", value)


def stated_in_name(name: str) -> Iterator[str]:
    """Yield the participant whom a file name has behind `user_id=`, if it is clear where they end."""
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
    return any(layout.pattern.fullmatch(name) for layout in layouts())


def _by_pattern(path: str) -> Iterator[str]:
    for start, end in spans_of_patterns(path):
        _remember(path, start, end)
        yield path[start:end]


def has_patterns() -> bool:
    """Return whether the study or a declaration has set which part of a path names the participant."""
    return bool(_template) or any(layout.person for layout in layouts())


def spans_of_patterns(path: str) -> Iterator[tuple[int, int]]:
    """Yield where the parts begin and end that name the participant by a pattern."""
    name = path.rpartition("/")[2]
    declared_patterns = (compiled(each.person) for each in layouts() if each.person and each.pattern.fullmatch(name))
    for pattern in (*_template, *declared_patterns):
        if found := pattern.fullmatch(path):
            yield found.span("person")


def parts_of_unclear_paths() -> Mapping[str, str]:
    """Return folders, with a slash, and file names that name somebody by a pattern, each with `***` in their place.

    They are of those paths that `person_in` was asked for and that a text does not show where they begin or end.
    """
    return _unclear


def _remember(path: str, start: int, end: int) -> None:
    if WORD.fullmatch(path):
        return
    before = path.rfind("/", 0, start) + 1
    after = path.find("/", end) + 1 or len(path)
    part, hidden = path[before:after], f"{path[before:start]}{HIDDEN}{path[end:after]}"
    _unclear[part] = hidden
    # as a text of one line has it
    _unclear[" ".join(part.split())] = " ".join(hidden.split())


def label_in(path: str) -> Iterator[str]:
    """Yield the label in front of a Fitabase name."""
    name = path.rpartition("/")[2]
    if not _SPAN.search(name):
        return
    ends = [match.start() for match in _SEPARATOR.finditer(name[: _LONGEST + 1])]
    for end in reversed(ends):
        label, rest = _ID.sub("", name[:end], count=1), name[end + 1 :]
        if any(layout.begins(rest) for layout in layouts()):
            # a word may be part of what is measured: resting_heart_rate
            if any(character.isdigit() for character in label) and not re.fullmatch(DATE, label):
                yield label
            return
