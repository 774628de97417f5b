"""Read the header of a file, and match it to the columns that its dataset declares."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

from ingestion.errors import FileRefusedError, ForeignFileError
from ingestion.load.candidates import (
    BOM,
    Candidate,
    best_of,
    candidate_of,
    candidate_of_keys,
    find_header,
    first_objects,
    lines_of,
    names_of_keys,
    newline_of,
    shown,
)
from ingestion.load.dialect import Dialect, Format
from ingestion.load.fields import split
from ingestion.load.foreign import are_foreign, is_foreign
from ingestion.results import Remark
from ingestion.sources import MOMENTS, Column, Dataset, Layout, normalise, person_in

# so many lines may tell that a file without a header in its place is one of the dataset nevertheless
# an id that is loaded as it is: a word of ASCII with a digit in it
PLAIN_ID = r"(?=[A-Za-z_-]{0,20}+[0-9])[A-Za-z0-9_-]{1,48}+"
_MOST_LINES_TO_TELL = 100
# PostgreSQL allows 1,600 columns, and the judge's temporary table needs two for itself
_MAX_COLUMNS = 1598
# so many are kept in memory, and so many ways to write the rows below one of them
_MOST_HEADERS = 64
_MOST_OTHERS = 16


@dataclass(frozen=True)
class Header:
    """The columns of a file. Files with the same header that are written in the same way share it.

    Arguments:
        names: the headers as the file has them, in its order.
        fields: for each field of a row as it goes to PostgreSQL, the declared column; the name, where it is not
            declared; or None for the last field, where that is a JSON object of all undeclared ones. In a file with
            delimiters, columns that are computed follow those of the file.
        layout: which device's export the file is.
        dialect: how the file is written.
        user_id: the participant, where the path names them and the rows do not.
        size: the number of bytes before the first row, with the BOM and the line end.
        line: the physical line of the header, 0 where there is none.

    """

    names: tuple[str, ...]
    fields: tuple[Column | str | None, ...]
    layout: Layout
    dialect: Dialect = field(default_factory=Dialect)
    user_id: str | None = None
    size: int = 0
    line: int = 1

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The declared columns, in the file's order."""
        return tuple(field for field in self.fields if isinstance(field, Column))

    @cached_property
    def headers_of_moments(self) -> tuple[str, ...]:
        """The headers of the declared columns of days and moments."""
        return tuple(column.header for column in self.columns if column.type in MOMENTS)

    @cached_property
    def extra(self) -> tuple[str, ...]:
        """The names of the columns that the dataset does not declare, and whose values are kept."""
        if self.layout.drop_extra:
            return ()
        if self.dialect.format == "ndjson":
            known = self.layout.by_header.keys() | self.layout.parts
            return tuple(name for name in self.names if normalise(name) not in known)
        return tuple(field for field in self.fields if isinstance(field, str))

    @cached_property
    def is_copyable(self) -> bool:
        """Whether COPY can read the rows as they are, and they name their participant."""
        return self.has_copyable_rows and self.user_id is None

    @cached_property
    def has_copyable_rows(self) -> bool:
        """Whether COPY can read the rows as they are."""
        return (
            self.dialect.format == "csv"
            and self.dialect.is_plain
            and not self.layout.where
            and not any(
                isinstance(field, str) or (field and (field.factor or field.is_computed or field.is_rewritten))
                for field in self.fields
            )
        )

    @cached_property
    def odd_ids(self) -> re.Pattern[bytes] | None:
        """A pattern that finds each participant's id that COPY must not load as it is, and may find more.

        Such an id has blanks around it, was damaged by a spreadsheet, or is a word of its own like `Total`. None
        without a column of ids.
        """
        names = [field.name if isinstance(field, Column) else "" for field in self.fields]
        if "user_id" not in names:
            return None
        place = names.index("user_id")
        delimiter, quote = re.escape(self.dialect.delimiter), re.escape(self.dialect.quote)
        newline = re.escape(self.dialect.newline[-1:].decode())
        # a quoted field may have the delimiter in it
        field = rf"(?:[^{delimiter}{quote}{newline}]*+|{quote}[^{quote}{newline}]*+{quote}){delimiter}"
        before = f"(?:{field}){{{place}}}" if place else ""
        found = f"(?:{PLAIN_ID}|{quote}{PLAIN_ID}{quote})"
        after = delimiter if place < len(names) - 1 else r"[\r\n]|\Z"
        # not at the end of a file, which is no line
        return re.compile(rf"{newline}(?!\Z)(?!{before}{found}(?:{after}))".encode())

    @cached_property
    def remarks(self) -> tuple[Remark, ...]:
        """What was assumed of the header."""
        found = []
        if self.line > 1:
            found.append(f"{self.line - 1} lines above the header")
        if self.dialect.delimiter != ",":
            found.append(f"delimiter {self.dialect.delimiter!r}")
        if self.dialect.has_trailing_delimiter:
            found.append("each row has a delimiter more than the header, at its end")
        for name in self.names:
            column = self.layout.by_header.get(normalise(name))
            if column and normalise(name) in {normalise(alias) for alias in column.aliases}:
                found.append(f"{name} read as {column.header}")
        if missing := [column.header for column in self.layout.columns if column.usual and column not in self.fields]:
            found.append(f"without {shown(missing)}")
        return tuple(Remark(text) for text in found)

    def written_as(self, dialect: Dialect) -> "Header":
        """Return the header of a file that is written in another way.

        Arguments:
            dialect: how it is written.

        """
        found = self._others.get(dialect)
        if found is None:
            if len(self._others) >= _MOST_OTHERS:
                self._others.clear()
            found = self._others[dialect] = replace(self, dialect=dialect)
        return found

    @cached_property
    def _others(self) -> dict[Dialect, "Header"]:
        return {}


def read_header(
    dataset: Dataset, beginning: bytes, path: str, file_format: Format = "csv", layouts: Sequence[Layout] = ()
) -> Header:
    """Find the header of a file, and match it to its dataset.

    Arguments:
        dataset: the file's dataset.
        beginning: the first bytes of the file in UTF-8, enough to hold the header.
        path: the file's name in the landing zone.
        file_format: the file's format.
        layouts: the layouts that the file may have; those of its name, where there are none.

    Returns:
        The columns, in the file's order.

    Raises:
        FileRefusedError: there is no header, or it lacks a required column, has a column twice or is not UTF-8.
        ForeignFileError: the header has nothing in common with the dataset.

    """
    if not beginning:
        raise FileRefusedError("the file is empty", hint="Export it again. Even a file without rows has a header.")
    layouts = tuple(layouts) or layouts_of(dataset, path)
    if file_format == "ndjson":
        return _read_keys(dataset, layouts, beginning, path)
    newline = newline_of(beginning)
    if newline == b"\r" and b"\n" in b"".join(beginning.split(dataset.quote.encode())[::2]):
        raise FileRefusedError(
            "some of its lines end with a carriage return, and some with a line feed",
            hint="Save the file with one kind of line end.",
        )
    found, size = find_header(dataset, layouts, lines_of(beginning, newline[-1:]))
    if not found.is_complete:
        more = islice(lines_of(beginning, newline[-1:]), _MOST_LINES_TO_TELL)
        if is_foreign(dataset, layouts, [line.decode("utf-8-sig", "replace") for line, _ in more]):
            raise _foreign(dataset)
    _check(found)
    dialect = _dialect_of_lines(dataset, found, newline)
    return _header_of(
        found,
        replace(dialect, has_trailing_delimiter=True)
        if _ends_with_delimiter(beginning, size, dialect, found)
        else dialect,
        None if found.names_participant else user_of(found.layout, path),
        size,
    )


@lru_cache(maxsize=_MOST_HEADERS)
def _dialect_of_lines(dataset: Dataset, found: Candidate, newline: bytes) -> Dialect:
    return Dialect(delimiter=found.delimiter, quote=dataset.quote, newline=newline, clock=found.layout.clock)


@lru_cache(maxsize=_MOST_HEADERS)
def _header_of(found: Candidate, dialect: Dialect, user_id: str | None, size: int) -> Header:
    return Header(found.names, found.fields, found.layout, dialect, user_id, size, found.line)


def known_header(dataset: Dataset, names: Iterable[str], stored: Mapping[str, Any], path: str) -> Header:
    """Match the header of a file that was loaded before to the present declaration of its dataset.

    Arguments:
        dataset: the file's dataset.
        names: its headers.
        stored: how it is written, as the manifest has it.
        path: its name in the landing zone.

    Raises:
        FileRefusedError: the dataset no longer accepts this header.

    """
    layouts = layouts_of(dataset, path)
    dialect = Dialect.from_json(stored)
    if dialect.format == "ndjson":
        header = _of_keys(layouts, tuple(names), path)
        return replace(header, dialect=_with_order(dialect, stored, header.layout))
    candidates = [candidate_of(layout, list(names), dialect.delimiter, 1) for layout in layouts]
    found = best_of([c for c in candidates if c.is_complete]) or candidates[0]
    _check(found)
    user_id = None if found.names_participant else user_of(found.layout, path)
    return Header(found.names, found.fields, found.layout, _with_order(dialect, stored, found.layout), user_id)


def layouts_of(dataset: Dataset, path: str) -> tuple[Layout, ...]:
    """Return the layouts that a file may have by its name; all of the dataset's plain ones, where it says nothing.

    Arguments:
        dataset: the file's dataset.
        path: the file's name in the landing zone.

    """
    plain = (layout for layout in dataset.layouts if not layout.has_own_format)
    return tuple(dataset.layouts_for(path.rpartition("/")[2])) or tuple(plain)


def _with_order(dialect: Dialect, stored: Mapping[str, Any], layout: Layout) -> Dialect:
    """Return a dialect with the order of its layout, where an older version did not store one."""
    return dialect if "date_order" in stored else replace(dialect, date_order=layout.usual_order)


def _ends_with_delimiter(beginning: bytes, size: int, dialect: Dialect, found: Candidate) -> bool:
    """Whether the first row has a field more than the header, and nothing in it."""
    rows = lines_of(beginning, dialect.newline[-1:], size)
    first = next((line for line, _ in rows if line.strip()), b"")
    if first.count(dialect.delimiter.encode()) < len(found.names):
        return False
    values = split(first.decode(errors="replace"), dialect)[0] or []
    return len(values) == len(found.names) + 1 and not values[-1].strip() and any(values)


@lru_cache(maxsize=_MOST_HEADERS)
def _check(found: Candidate) -> None:
    needed = shown([column.header for column in found.layout.required])
    # checked first: without these columns, the names may be values of a file that has no header
    if found.lacking:
        hint = f"The header needs {needed}."
        if not found.matched:
            hint = f"None of the first lines is a header. {hint}"
        raise FileRefusedError(f"the header lacks {shown(found.lacking)}", hint=hint, line=found.line)
    if found.unwanted:
        raise _other_export(found)
    if len(found.names) > _MAX_COLUMNS:
        raise FileRefusedError(
            f"the header has {len(found.names)} columns",
            hint=f"Remove some: {_MAX_COLUMNS} columns can be loaded.",
            line=found.line,
        )
    names = [
        field if isinstance(field, str) else field.header
        for field in found.fields
        if isinstance(field, str) or (field and not field.is_computed)
    ]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FileRefusedError(
            f"the header has a column twice: {shown(twice)}", hint="Remove one of the two.", line=found.line
        )


def user_of(layout: Layout, path: str) -> str:
    """Return the participant whom a path names.

    Arguments:
        layout: the layout of the export.
        path: the file's name in the landing zone.

    Raises:
        FileRefusedError: the path does not name one.

    """
    person = person_in(path)
    if person is None:
        raise FileRefusedError(
            f"the path of this {layout.device} export names no participant, or several",
            hint="Put it into a folder user_id=LABEL, or say with PIPELINE_PERSON_IN_PATH which part names them.",
        )
    return person


def _read_keys(dataset: Dataset, layouts: Sequence[Layout], beginning: bytes, path: str) -> Header:
    """Return a header made of the keys of the first objects. Lines that cannot be read are left to the load."""
    objects = frozenset(path for layout in layouts for path in layout.objects)
    names = names_of_keys(first_objects(beginning), objects)
    if not names and not beginning.strip():
        # an empty list is a file without rows
        layout = layouts[0]
        return Header((), (*layout.columns, None), layout, _dialect_of_keys(layout), line=0)
    if not names:
        raise FileRefusedError(
            "its first lines have no JSON object", hint=f"Write each row of {dataset.name} as one object on one line."
        )
    if are_foreign(dataset, layouts, names):
        raise _foreign(dataset)
    header = _of_keys(layouts, names, path)
    return Header(
        header.names,
        header.fields,
        header.layout,
        header.dialect,
        header.user_id,
        size=len(BOM) if beginning.startswith(BOM) else 0,
        line=0,
    )


def _foreign(dataset: Dataset) -> ForeignFileError:
    return ForeignFileError(
        f"it is named like {dataset.name}, but has the columns of another program",
        hint=f"Declare its columns, if {dataset.name} has a use for them: see docs/datasets.md.",
    )


def _other_export(found: Candidate) -> FileRefusedError:
    return FileRefusedError(
        f"it has {shown(found.unwanted)}, which this export of {found.layout.device} has not",
        hint="Give it the name that the device has given it, or declare it: see docs/datasets.md.",
    )


def _of_keys(layouts: Sequence[Layout], names: tuple[str, ...], path: str) -> Header:
    candidates = [candidate_of_keys(layout, names) for layout in layouts]
    complete = [candidate for candidate in candidates if candidate.is_complete]
    found = best_of(complete) or next(iter(complete or candidates))
    if found.unwanted:
        raise _other_export(found)
    if found.lacking:
        raise FileRefusedError(
            f"the objects lack {shown(found.lacking)}",
            hint=f"They need {shown([column.header for column in found.layout.required])}.",
        )
    layout = found.layout
    user_id = None if found.names_participant else user_of(layout, path)
    columns = (column for column in layout.columns if user_id is None or column.name != "user_id")
    return Header(names, (*columns, None), layout, _dialect_of_keys(layout), user_id, line=0)


def _dialect_of_keys(layout: Layout) -> Dialect:
    return Dialect("ndjson", clock=layout.clock)
