"""Read the names of columns, and how a layout fits them."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, islice
from typing import Any

from ingestion.errors import FileRefusedError
from ingestion.sources import EXTRA, Column, Dataset, Layout, normalise

BOM = b"\xef\xbb\xbf"
DELIMITERS = (",", ";", "\t", "|")
# lines that may be above the header
MOST_TITLE_LINES = 9
# what is found in a line of more characters is not kept in memory
MOST_KEPT = 1 << 13
_SHOWN_COLUMNS = 20


@dataclass(frozen=True, eq=False)
class Candidate:
    """How a layout reads the names of columns. Files with the same header share it.

    Arguments:
        names: the names.
        fields: for each of them, the declared column or the name; then the columns that are computed.
        layout: the layout.
        delimiter: the character between them.
        line: the line that they are on.

    """

    names: tuple[str, ...]
    fields: tuple[Column | str | None, ...]
    layout: Layout
    delimiter: str
    line: int

    @cached_property
    def missing(self) -> list[str]:
        """The required columns that are not there. The path may name the participant in place of the file."""
        return [
            column.header for column in self.layout.required if column not in self.fields and column.name != "user_id"
        ]

    @cached_property
    def lacking(self) -> list[str]:
        """The required columns and other headers that are not there."""
        return [*self.missing, *self.layout.lacking(self.names)]

    @cached_property
    def unwanted(self) -> list[str]:
        """The headers that only another export has."""
        return self.layout.unwanted(self.names)

    @cached_property
    def names_participant(self) -> bool:
        """Whether a column names the participant."""
        return any(isinstance(field, Column) and field.name == "user_id" for field in self.fields)

    @cached_property
    def is_complete(self) -> bool:
        """Whether all is there that the layout needs."""
        return not self.lacking and not self.unwanted

    @cached_property
    def rank(self) -> tuple[int, int]:
        """How much of the file the layout explains."""
        return len(self.layout.required) + len(self.layout.has), self.matched

    @cached_property
    def matched(self) -> int:
        """The number of columns that are there."""
        return sum(isinstance(field, Column) for field in self.fields)


def readings(beginning: bytes, quote: str = '"') -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield each way to read one of the first lines as a header: its line, the delimiter and the names.

    Arguments:
        beginning: the first bytes of a file in UTF-8.
        quote: the character around names.

    """
    return readings_of(first_lines(beginning), quote)


def readings_of(lines: Iterable[tuple[int, str]], quote: str = '"') -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield each way to read one of some lines as a header; see `readings`.

    Arguments:
        lines: the number and the text of each line.
        quote: the character around names.

    """
    for number, text in lines:
        for delimiter in DELIMITERS:
            names = names_in(text, delimiter, quote)
            if len(names) > 1:
                yield number, delimiter, names


def first_lines(beginning: bytes) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each of the first lines that may be a header.

    Arguments:
        beginning: the first bytes of a file in UTF-8.

    """
    numbered = enumerate(lines_of(beginning, newline_of(beginning)[-1:]), 1)
    filled = ((number, line) for number, (line, _) in numbered if line.strip())
    for number, line in islice(filled, MOST_TITLE_LINES + 1):
        text = decoded(line, number)
        if isinstance(text, str):
            yield number, text


def names_in(text: str, delimiter: str, quote: str) -> tuple[str, ...]:
    """Return the names in a line, if it is a header.

    Arguments:
        text: the line.
        delimiter: the character between them.
        quote: the character around them.

    """
    return (_names_in_line if len(text) <= MOST_KEPT else _names_in_line.__wrapped__)(text, delimiter, quote)


# the files of a landing zone have few different headers
@lru_cache(maxsize=256)
def _names_in_line(text: str, delimiter: str, quote: str) -> tuple[str, ...]:
    try:
        return tuple(next(csv.reader([text], delimiter=delimiter, quotechar=quote), ()))
    except csv.Error:
        # a carriage return inside the line: no header has one
        return ()


def first_objects(beginning: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects of the first lines that have one each.

    Arguments:
        beginning: the first bytes of a file in UTF-8.

    """
    found = []
    for line in beginning.removeprefix(BOM).splitlines():
        try:
            each = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(each, dict):
            found.append(each)
    return found


def names_of_keys(found: Iterable[Mapping[str, Any]], objects: frozenset[str]) -> tuple[str, ...]:
    """Return the keys of objects, with the paths into nested ones in place of these.

    Arguments:
        found: the objects.
        objects: the normalised paths of the nested objects that columns are in.

    """
    if not objects:
        return tuple(dict.fromkeys(chain.from_iterable(found)))
    return tuple(dict.fromkeys(name for each in found for name in _names_in(each, objects)))


def newline_of(beginning: bytes) -> bytes:
    """Return what ends the first line."""
    line, newline, _ = beginning.partition(b"\n")
    before, carriage_return, after = line.partition(b"\r")
    if carriage_return and after:
        return b"\r"
    return b"\r\n" if carriage_return and newline and before == line[:-1] else b"\n"


def lines_of(text: bytes, newline: bytes, begin: int = 0) -> Iterator[tuple[bytes, int]]:
    """Yield each line from a position on without its end, and the position of the next one."""
    while begin < len(text):
        end = text.find(newline, begin)
        following = len(text) if end < 0 else end + 1
        yield text[begin:following].removesuffix(newline).rstrip(b"\r"), following
        begin = following


def best_of(complete: Sequence[Candidate]) -> Candidate | None:
    """Return the reading that explains most of a header, None where there are several."""
    if len({candidate.delimiter for candidate in complete}) > 1:
        return None
    ranked = sorted(complete, key=lambda candidate: candidate.rank, reverse=True)
    is_single = len(ranked) == 1 or (ranked and ranked[0].rank > ranked[1].rank)
    return ranked[0] if is_single else None


def find_header(
    dataset: Dataset, layouts: tuple[Layout, ...], numbered: Iterable[tuple[bytes, int]]
) -> tuple[Candidate, int]:
    """Return the reading of a line that has all required columns, or else the one that has most of them.

    Arguments:
        dataset: the file's dataset.
        layouts: the layouts that the file may have.
        numbered: the first lines, each with the position of the next one.

    Returns:
        The reading, and the position of the line below it.

    Raises:
        FileRefusedError: a line can be read in several ways, or none is text.

    """
    closest: Candidate | None = None
    unreadable: FileRefusedError | None = None
    ends: dict[int, int] = {}
    filled = ((number, line, end) for number, (line, end) in enumerate(numbered, 1) if line.strip())
    for number, line, end in islice(filled, MOST_TITLE_LINES + 1):
        ends[number] = end
        text = decoded(line, number)
        if isinstance(text, FileRefusedError):
            unreadable = unreadable or text
            continue
        read = _read_line if len(text) <= MOST_KEPT else _read_line.__wrapped__
        candidates, complete, best = read(dataset, layouts, text, number)
        if best:
            return best, end
        if complete:
            raise FileRefusedError(
                "the header can be read in more than one way",
                hint=f"Declare the delimiter of {dataset.name}, or what tells its layouts apart.",
                line=number,
            )
        closest = max([*([closest] if closest else []), *candidates], key=lambda c: c.matched, default=None)
    if unreadable and not (closest and closest.matched):
        raise unreadable
    return (closest, ends[closest.line]) if closest else (Candidate((), (), layouts[0], ",", 1), 0)


# the files of a landing zone have few different headers
@lru_cache(maxsize=64)
def _read_line(
    dataset: Dataset, layouts: tuple[Layout, ...], text: str, number: int
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...], Candidate | None]:
    """Return all readings of a line, those with all required columns, and the best of these."""
    candidates = tuple(
        candidate_of(layout, names, delimiter, number)
        for delimiter in ((dataset.delimiter,) if dataset.delimiter else DELIMITERS)
        if (names := names_in(text, delimiter, dataset.quote))
        for layout in layouts
    )
    complete = tuple(candidate for candidate in candidates if candidate.is_complete)
    return candidates, complete, best_of(complete)


def decoded(line: bytes, number: int) -> str | FileRefusedError:
    """Return a line as text, or the error of a header that is none.

    Arguments:
        line: the line.
        number: its number, from 1.

    """
    try:
        text = line.removeprefix(BOM).decode()
    except UnicodeDecodeError:
        return FileRefusedError(
            "the header is not UTF-8",
            hint="Save the file as UTF-8, or declare the encoding of its dataset.",
            line=number,
        )
    if "\x00" in text:
        return FileRefusedError(
            "the header contains a NUL byte",
            hint="Export the file again. UTF-16 needs a byte order mark, or the declared encoding utf-16-le.",
            line=number,
        )
    return text


def candidate_of(layout: Layout, names: Sequence[str], delimiter: str, line: int) -> Candidate:
    """Return how a layout reads a header.

    Arguments:
        layout: the layout.
        names: the names in the header.
        delimiter: the character between them.
        line: the line that they are on.

    """
    # spreadsheets may have blank headers
    named = [name.strip() or f"column_{position}" for position, name in enumerate(names, 1)]
    fields = [None if layout.table and name == EXTRA else layout.by_header.get(normalise(name), name) for name in named]
    computed = [
        column
        for column in layout.computed
        if column.constant is not None or column.has_parts_in(named, all_of_them=True)
    ]
    return Candidate(tuple(named), (*fields, *computed), layout, delimiter, line)


def _names_in(found: Mapping[str, Any], objects: frozenset[str], prefix: str = "") -> Iterator[str]:
    """Yield the keys of an object; in place of a nested object with declared columns, the paths of its keys."""
    for key, value in found.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and normalise(path) in objects:
            yield from _names_in(value, objects, f"{path}.")
        else:
            yield path


def candidate_of_keys(layout: Layout, names: tuple[str, ...], *, is_strict: bool = False) -> Candidate:
    """Return how a layout reads the keys of the first objects.

    Arguments:
        layout: the layout.
        names: the keys.
        is_strict: whether each part of a sum has to be there: an object may lack keys that others have.

    """
    matched = [layout.by_header.get(normalise(name), name) for name in names]
    parts = [column for column in layout.computed if column.has_parts_in(names, all_of_them=is_strict)]
    return Candidate(names, (*matched, *parts), layout, ",", 1)


def shown(names: Iterable[str]) -> str:
    """Return names as a message lists them: the first of them, and how many more there are."""
    shown = list(names)
    more = f" and {len(shown) - _SHOWN_COLUMNS} more" if len(shown) > _SHOWN_COLUMNS else ""
    return ", ".join(shown[:_SHOWN_COLUMNS]) + more
