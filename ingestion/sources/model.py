"""The parts of a dataset's declaration."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Literal, get_args

ColumnType = Literal["bigint", "integer", "double precision", "timestamp", "boolean", "text"]
DateOrder = Literal["MDY", "DMY", "YMD"]
DecimalMark = Literal[".", ","]
ExportFormat = Literal["any", "json", "apple_health"]

# the column of a raw table for values that have no column of their own
EXTRA = "_extra"

_DATE = r"\d{4}[-_]?\d{2}[-_]?\d{2}"
# \d++ does not backtrack; with \d+, a name of 30 digits and an unknown suffix would take minutes
_STATED = r"date_order=(?:MDY|DMY|YMD)|decimal_mark=(?:point|comma)"
_PART = rf"[ ._-]?(?:user_id=\d++|{_STATED}|merged|{_DATE}|\(?\d++\)?|to)"
_PACKED = r"(?:\.(?:gz|zst|zip))?|\.zip"
_SUFFIXES: dict[ExportFormat, str] = {
    "any": rf"\.(?:csv|tsv|json|ndjson|jsonl|parquet|xlsx){_PACKED}",
    "json": rf"\.(?:json|ndjson|jsonl){_PACKED}",
    "apple_health": rf"\.xml{_PACKED}",
}
_FILE_NAME = r"(?:(?:user_id=)?\d++[ ._-])*+(?:{stem})(?:{part})*(?:{suffix})"
_DECIMAL_MARKS: dict[str, DecimalMark] = {"point": ".", "comma": ","}
_STATEMENT = r"(?i)(?:^|[/ ._-]){}=([a-z]+)(?=[/ ._-]|$)"
# ASCII digits only: sql/ derives the person of older files with the same pattern
_USER_ID = re.compile(r"(?:^|[/ ._-])user_id=([0-9]{1,18})(?=[/ ._-]|$)")


@dataclass(frozen=True)
class Column:
    """One column of a dataset.

    Arguments:
        name: the column of the raw table.
        header: the header in the device's export; case and punctuation do not matter.
        type: the PostgreSQL type of its values.
        required: whether a file without this column is refused.
        minimum: the least possible value; rows below it go to quarantine.
        maximum: the greatest possible value; rows above it go to quarantine.
        aliases: other headers of the same column.
        factor: the number that values are multiplied by, to have the raw table's unit. Products are rounded in a
            column of whole numbers.
        parts: in JSON, the keys whose values are added up to it.

    """

    name: str
    header: str
    type: ColumnType
    required: bool = False
    minimum: int | None = None
    maximum: int | None = None
    aliases: tuple[str, ...] = ()
    factor: float | None = None
    parts: tuple[str, ...] = ()

    def is_in(self, names: Iterable[str]) -> bool:
        """Whether one of its parts is among these headers."""
        return not {normalise(part) for part in self.parts}.isdisjoint(map(normalise, names))


@dataclass(frozen=True)
class ExportColumn:
    """A column of another device's export that fills a column of the dataset.

    Arguments:
        name: the column of the raw table.
        header: the header in the export.
        factor: the number that values are multiplied by, to have the raw table's unit.
        required: whether a file without this column is another export.
        parts: in JSON, the keys whose values are added up to it. `_extra` keeps them, too.

    """

    name: str
    header: str
    factor: float | None = None
    required: bool = True
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Export:
    """How another device writes a dataset.

    Arguments:
        device: the device.
        stems: what the file name begins with, as in `Dataset`.
        columns: the columns that fill the raw table's. All others go to `_extra`.
        date_order: the order of day, month and year, if it is declared; a file that contradicts it is refused.
        format: the file format.
        table: the table, in a format that holds several.

    An export without a `user_id` column is of one participant, and its path must contain `user_id=NUMBER`.
    """

    device: str
    stems: tuple[str, ...]
    columns: tuple[ExportColumn, ...]
    date_order: DateOrder | None = None
    format: ExportFormat = "any"
    table: str = ""


@dataclass(frozen=True)
class Layout:
    """One way in which files of a dataset are written.

    Arguments:
        device: the device that wrote the export.
        columns: columns of the raw table, with this export's headers.
        usual_order: the order of day, month and year in which the device writes.
        stems: what the file name begins with.
        date_order: the order that the declaration states, if it states one; a file that contradicts it is refused.
        format: the file format.
        table: the table, in a format that holds several. `formats/` converts such a file to the raw table's columns,
            with `user_id` and `_extra`.

    """

    device: str
    columns: tuple[Column, ...]
    usual_order: DateOrder
    stems: tuple[str, ...]
    date_order: DateOrder | None = None
    format: ExportFormat = "any"
    table: str = ""

    @cached_property
    def by_header(self) -> dict[str, Column]:
        """The columns by normalised header: the device's headers, their aliases, and the raw table's names."""
        return {
            normalise(text): column
            for column in self.columns
            for text in (*column.aliases, column.name, *(() if column.parts else (column.header,)))
        }

    @cached_property
    def parts(self) -> frozenset[str]:
        """The normalised keys whose values are added up."""
        return frozenset(normalise(part) for column in self.columns for part in column.parts)

    @cached_property
    def required(self) -> tuple[Column, ...]:
        """The columns that a file must have."""
        return tuple(column for column in self.columns if column.required)

    @property
    def is_of_one_participant(self) -> bool:
        """Whether the path must name the participant."""
        return bool(self.table) or self.needs_user_id

    @property
    def needs_user_id(self) -> bool:
        """Whether only the path names the participant."""
        return not any(column.name == "user_id" for column in self.columns)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern of the file name, without folders."""
        stem = "|".join(re.escape(stem).replace("_", "[ ._-]?") for stem in self.stems)
        return re.compile(
            _FILE_NAME.format(stem=stem, part=_PART, suffix=_SUFFIXES[self.format]),
            re.IGNORECASE,
        )


@dataclass(frozen=True)
class Dataset:
    """One dataset, as devices export it.

    Arguments:
        name: the raw table, without its schema.
        stems: what the file name begins with. `_` matches any separator or none. A name may also contain `_merged`,
            dates and numbers: `2026-01-20_sleep.csv`, `dailyActivity_merged.csv`.
        columns: the columns that the raw table has.
        key: the columns that a row must have; a row without one goes to quarantine.
        date_order: the order of day, month and year, if it is declared; a file that contradicts it is refused. ISO
            dates are always accepted.
        max_rejected_percent: the share of bad rows (0 to 100) above which the whole file is refused.
        max_rejected_rows: the number of bad rows above which the whole file is refused.
        delimiter: the character between fields; found in the header where it is None.
        quote: the character around fields.
        encoding: the encoding of files without a byte order mark, as Python names it.
        exports: the exports of other devices.

    """

    name: str
    stems: tuple[str, ...]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    date_order: DateOrder | None = None
    max_rejected_percent: float = 50.0
    max_rejected_rows: int = 100_000
    delimiter: str | None = None
    quote: str = '"'
    encoding: str = "utf-8"
    exports: tuple[Export, ...] = ()
    layouts: tuple[Layout, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = Layout("Fitbit", self.columns, self.date_order or "MDY", self.stems, self.date_order)
        object.__setattr__(self, "layouts", (own, *(self._layout(export) for export in self.exports)))

    def matches(self, basename: str) -> bool:
        """Whether a file of this name, without folders, holds this dataset."""
        return next(self.layouts_for(basename), None) is not None

    def layouts_for(self, basename: str) -> Iterator[Layout]:
        """Yield the layouts that a file of this name, without folders, may have."""
        return (layout for layout in self.layouts if layout.pattern.fullmatch(basename))

    @property
    def by_header(self) -> dict[str, Column]:
        """The columns by the normalised headers of the Fitbit export."""
        return self.layouts[0].by_header

    def _layout(self, export: Export) -> Layout:
        filled = {column.name: column for column in export.columns}
        columns = tuple(
            replace(
                column,
                header=filled[column.name].header,
                required=filled[column.name].required,
                factor=filled[column.name].factor,
                parts=filled[column.name].parts,
                aliases=(),
            )
            for column in self.columns
            if column.name in filled
        )
        if export.table:
            columns = (next(column for column in self.columns if column.name == "user_id"), *columns)
        order = export.date_order
        return Layout(export.device, columns, order or "YMD", export.stems, order, export.format, export.table)


# even a landing zone with many files has few distinct headers
@lru_cache(maxsize=4096)
def normalise(header: str) -> str:
    """Return a header in lower case, without spaces and punctuation: `Total Steps` equals `TotalSteps`."""
    return re.sub(r"[\W_]+", "", header).lower()


def person_in(path: str) -> str | None:
    """Return the participant that a path names as `user_id=NUMBER` in a folder or in the file name, or None.

    The number is returned as it is written, because 007 and 7 may be two participants.
    """
    found = set(_USER_ID.findall(path))
    return found.pop() if len(found) == 1 else None


def user_id_in(path: str) -> int | None:
    """Return the number of the participant that a path names, or None."""
    person = person_in(path)
    return int(person) if person else None


def has_leading_zeros(path: str) -> bool:
    """Whether a path names a participant with zeros in front. As a number, it would be another participant's."""
    return any(number != str(int(number)) for number in _USER_ID.findall(path))


def folder_of_participant(path: str) -> str:
    """Return the folder of a path that names a participant, or else the folder of the file; it ends with a slash."""
    found = re.search(r"(?i)^.*?user_id=[^/]*/", path)
    return found[0] if found else path[: path.rfind("/") + 1]


def date_order_in(path: str) -> DateOrder | None:
    """Return the order that a path states as `date_order=DMY` in a folder or in the file name, or None."""
    stated = _stated(path, "date_order").upper()
    return next((order for order in get_args(DateOrder) if order == stated), None)


def decimal_mark_in(path: str) -> DecimalMark | None:
    """Return the mark that a path states as `decimal_mark=comma` in a folder or in the file name, or None."""
    return _DECIMAL_MARKS.get(_stated(path, "decimal_mark"))


def _stated(path: str, name: str) -> str:
    """Return what a path states about a name: the last of several, in lower case; or ""."""
    found: list[str] = re.findall(_STATEMENT.format(name), path)
    return found[-1].lower() if found else ""


def without_user_id(path: str) -> str:
    """Return a path with `user_id=***` in place of a participant, for messages that leave the machine."""
    return re.sub(r"(?i)(user_id=)\d+", r"\1***", path)
