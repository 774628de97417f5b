"""What a declaration of a dataset is made of."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Literal

ColumnType = Literal["bigint", "integer", "double precision", "timestamp", "boolean"]
DateOrder = Literal["MDY", "DMY", "YMD"]
ExportFormat = Literal["any", "json", "apple_health"]

# the column of a raw table for all that has no column of its own
EXTRA = "_extra"

_DATE = r"\d{4}[-_]?\d{2}[-_]?\d{2}"
# \d++ gives no digit back: with \d+ a name of 30 digits and another suffix takes minutes to refuse
_PART = rf"[ ._-]?(?:user_id=\d++|merged|{_DATE}|\(?\d++\)?|to)"
_PACKED = r"(?:\.(?:gz|zst|zip))?|\.zip"
_SUFFIXES: dict[ExportFormat, str] = {
    "any": rf"\.(?:csv|tsv|json|ndjson|jsonl|parquet|xlsx){_PACKED}",
    "json": rf"\.(?:json|ndjson|jsonl){_PACKED}",
    "apple_health": rf"\.xml{_PACKED}",
}
_DROP_NAME = r"(?:(?:user_id=)?\d++[ ._-])*+(?:{stem})(?:{part})*(?:{suffix})"
_USER_ID = re.compile(r"(?:^|[/ ._-])user_id=(\d{1,18})(?=[/ ._-]|$)")


@dataclass(frozen=True)
class Column:
    """One column of a dataset.

    Arguments:
        name: the column of the raw table.
        header: the header that the device's export writes; matched without regard to case or punctuation.
        type: the PostgreSQL type that every value must be castable to.
        required: a file without this column is refused.
        minimum: the least value a device can mean; rows below it go to quarantine.
        maximum: the greatest such value.
        aliases: other headers that mean the same.
        factor: what a value is multiplied with to be in the raw table's unit, a whole number being rounded to.
        parts: in JSON, the keys whose values add up to it.

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
        """Tell whether any of its parts is among these headers."""
        return not {normalise(part) for part in self.parts}.isdisjoint(map(normalise, names))


@dataclass(frozen=True)
class Taken:
    """A column of another device's export, taken into a column of the dataset.

    Arguments:
        name: the column of the raw table.
        header: the header that the export writes.
        factor: what a value is multiplied with to be in the raw table's unit.
        required: a file without this column is not this export.
        parts: in JSON, the keys whose values add up to it; they stay in `_extra`, too.

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
        device: whose export it is.
        stems: what the file name begins with, as in `Dataset`.
        columns: the columns whose meaning is that of the raw table's; all others go to `_extra`.
        date_order: how it writes dates. ISO dates always fit.
        format: what it is written in.
        table: which of the tables of a format that has several.

    An export without a column for the user is of one person: the drop's path must say `user_id=NUMBER`.
    """

    device: str
    stems: tuple[str, ...]
    columns: tuple[Taken, ...]
    date_order: DateOrder = "YMD"
    format: ExportFormat = "any"
    table: str = ""


@dataclass(frozen=True)
class Layout:
    """One way in which files of a dataset are written.

    Arguments:
        device: whose export it is.
        columns: of the raw table, with this export's headers.
        date_order: how it writes dates.
        stems: what the file name begins with.
        format: what it is written in.
        table: which of the tables of a format that has several. Such a file is not read as it is: what is read has the
            raw table's columns, `user_id` and `_extra` among them.

    """

    device: str
    columns: tuple[Column, ...]
    date_order: DateOrder
    stems: tuple[str, ...]
    format: ExportFormat = "any"
    table: str = ""

    @cached_property
    def by_header(self) -> dict[str, Column]:
        """Columns by their normalised header: the device's own spelling, its aliases and the raw table's."""
        return {
            normalise(text): column
            for column in self.columns
            for text in (*column.aliases, column.name, *(() if column.parts else (column.header,)))
        }

    @cached_property
    def parts(self) -> frozenset[str]:
        """The normalised keys of values that are added up."""
        return frozenset(normalise(part) for column in self.columns for part in column.parts)

    @cached_property
    def required(self) -> tuple[Column, ...]:
        """The columns that a file must have."""
        return tuple(column for column in self.columns if column.required)

    @property
    def is_of_one_person(self) -> bool:
        """Tell whether the path must say whose data it is."""
        return bool(self.table) or self.needs_user_id

    @property
    def needs_user_id(self) -> bool:
        """Tell whether the user is known by the path alone."""
        return not any(column.name == "user_id" for column in self.columns)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What the file name, without folders, looks like."""
        stem = "|".join(re.escape(stem).replace("_", "[ ._-]?") for stem in self.stems)
        return re.compile(
            _DROP_NAME.format(stem=stem, part=_PART, suffix=_SUFFIXES[self.format]),
            re.IGNORECASE,
        )


@dataclass(frozen=True)
class Dataset:
    """One dataset as devices export it.

    Arguments:
        name: the raw table, without its schema.
        stems: what the file name begins with, `_` standing for any or no separator. Around it a name may carry
            `_merged`, dates and numbers: `2026-01-20_sleep.csv`, `dailyActivity_merged.csv`.
        columns: all columns that are loaded into columns of their own.
        key: columns without which a row means nothing; a row that lacks one goes to quarantine.
        date_order: how the export writes dates, in the sense of PostgreSQL's DateStyle. ISO dates always fit.
        max_rejected_percent: more bad rows than this (0 to 100) and the file is refused whole.
        max_rejected_rows: the same as a number of rows.
        delimiter: what separates fields; found in the header where it is not declared.
        quote: what a field may be wrapped in.
        encoding: of files without a byte order mark, as Python names it.
        exports: how other devices write it.

    """

    name: str
    stems: tuple[str, ...]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    date_order: DateOrder = "MDY"
    max_rejected_percent: float = 50.0
    max_rejected_rows: int = 100_000
    delimiter: str | None = None
    quote: str = '"'
    encoding: str = "utf-8"
    exports: tuple[Export, ...] = ()
    layouts: tuple[Layout, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = Layout("Fitbit", self.columns, self.date_order, self.stems)
        object.__setattr__(self, "layouts", (own, *(self._layout(export) for export in self.exports)))

    def matches(self, basename: str) -> bool:
        """Tell whether a file of this name (without folders) holds this dataset."""
        return next(self.layouts_for(basename), None) is not None

    def layouts_for(self, basename: str) -> Iterator[Layout]:
        """Yield the ways in which a file of this name (without folders) may be written."""
        return (layout for layout in self.layouts if layout.pattern.fullmatch(basename))

    @property
    def by_header(self) -> dict[str, Column]:
        """Columns by the normalised headers of the dataset's own export."""
        return self.layouts[0].by_header

    def _layout(self, export: Export) -> Layout:
        taken = {column.name: column for column in export.columns}
        columns = tuple(
            replace(
                column,
                header=taken[column.name].header,
                required=taken[column.name].required,
                factor=taken[column.name].factor,
                parts=taken[column.name].parts,
                aliases=(),
            )
            for column in self.columns
            if column.name in taken
        )
        if export.table:
            columns = (next(column for column in self.columns if column.name == "user_id"), *columns)
        return Layout(export.device, columns, export.date_order, export.stems, export.format, export.table)


# a landing zone of many files has few headers
@lru_cache(maxsize=4096)
def normalise(header: str) -> str:
    """Return a header without case, spaces and punctuation, so that `Total Steps` is `TotalSteps`."""
    return re.sub(r"[\W_]+", "", header).lower()


def user_id_in(path: str) -> int | None:
    """Return the user that a drop's path names as `user_id=NUMBER`, in a folder or in the file name."""
    found = {int(number) for number in _USER_ID.findall(path)}
    return found.pop() if len(found) == 1 else None


def without_user_id(path: str) -> str:
    """Return a drop's path as it may leave the house: `user_id=***` where it names a user."""
    return re.sub(r"(?i)(user_id=)\d+", r"\1***", path)
