"""Read the names of columns, and how a layout fits them."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ingestion.errors import FileRefusedError
from ingestion.sources import EXTRA, Column, Layout, normalise

BOM = b"\xef\xbb\xbf"
DELIMITERS = (",", ";", "\t", "|")
# lines that may be above the header
MOST_TITLE_LINES = 9
_SHOWN_COLUMNS = 20


@dataclass(frozen=True)
class Candidate:
    """How a layout reads the names of columns.

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

    @property
    def missing(self) -> list[str]:
        """The required columns that are not there. The path may name the participant in place of the file."""
        return [
            column.header for column in self.layout.required if column not in self.fields and column.name != "user_id"
        ]

    @property
    def lacking(self) -> list[str]:
        """The required columns and other headers that are not there."""
        return [*self.missing, *self.layout.lacking(self.names)]

    @property
    def unwanted(self) -> list[str]:
        """The headers that only another export has."""
        return self.layout.unwanted(self.names)

    @property
    def names_participant(self) -> bool:
        """Whether a column names the participant."""
        return any(isinstance(field, Column) and field.name == "user_id" for field in self.fields)

    @property
    def is_complete(self) -> bool:
        """Whether all is there that the layout needs."""
        return not self.lacking and not self.unwanted

    @property
    def rank(self) -> tuple[int, int]:
        """How much of the file the layout explains."""
        return len(self.layout.required) + len(self.layout.has), self.matched

    @property
    def matched(self) -> int:
        """The number of columns that are there."""
        return sum(isinstance(field, Column) for field in self.fields)


def readings(beginning: bytes, quote: str = '"') -> Iterator[tuple[int, str, list[str]]]:
    """Yield each way to read one of the first lines as a header: its line, the delimiter and the names.

    Arguments:
        beginning: the first bytes of a file in UTF-8.
        quote: the character around names.

    """
    numbered = enumerate(lines_of(beginning, newline_of(beginning)[-1:]), 1)
    filled = ((number, line) for number, (line, _) in numbered if line.strip())
    for number, line in islice(filled, MOST_TITLE_LINES + 1):
        text = decoded(line, number)
        if isinstance(text, str):
            for delimiter in DELIMITERS:
                names = next(csv.reader([text], delimiter=delimiter, quotechar=quote), [])
                if len(names) > 1:
                    yield number, delimiter, names


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
    return tuple(dict.fromkeys(name for each in found for name in _names_in(each, objects)))


def newline_of(beginning: bytes) -> bytes:
    """Return what ends the first line."""
    line, newline, _ = beginning.partition(b"\n")
    before, carriage_return, after = line.partition(b"\r")
    if carriage_return and after:
        return b"\r"
    return b"\r\n" if carriage_return and newline and before == line[:-1] else b"\n"


def lines_of(text: bytes, newline: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each line without its end, and the position of the next one."""
    begin = 0
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


def candidate_of(layout: Layout, names: list[str], delimiter: str, line: int) -> Candidate:
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
