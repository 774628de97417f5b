"""The parts of a dataset's declaration."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

ColumnType = Literal["bigint", "integer", "double precision", "timestamp", "date", "boolean", "text"]
DateOrder = Literal["MDY", "DMY", "YMD"]
DecimalMark = Literal[".", ","]
ExportFormat = Literal["any", "json", "apple_health", "health_connect"]
Clock = Literal["local", "UTC"]
# how a device writes a value, where PostgreSQL does not read it so
Written = Literal["epoch_ms", "iso_duration", "date_and_seconds"]

# the column of a raw table for values that have no column of their own
EXTRA = "_extra"
# the column of a raw table for the offset from UTC of its moment
OFFSET = "_offset"

# the types of days and moments
MOMENTS = frozenset({"timestamp", "date"})
DATE = r"\d{4}[-_]?\d{2}[-_]?\d{2}"
STATED = r"date_order=(?:MDY|DMY|YMD)|decimal_mark=(?:point|comma)"
# what a path may call the participant: user_id=, User-Id=, participant_id=, id=
KEY = r"(?:(?:user|participant|subject|record|study)[ _-]?)?id"
_PERSON = rf"{KEY}=[^/]{{1,64}}?"
# \d++ does not backtrack; with \d+, a name of 30 digits and an unknown suffix would take minutes
_PART = rf"[ ._-]?(?:{STATED}|merged|{DATE}|\(?\d++\)?|to)"
_PACKED = r"(?:\.(?:gz|zst|zip))?|\.zip"
_SUFFIXES: dict[ExportFormat, str] = {
    "any": rf"\.(?:csv|tsv|json|ndjson|jsonl|parquet|xlsx){_PACKED}",
    "json": rf"\.(?:json|ndjson|jsonl){_PACKED}",
    "apple_health": rf"\.xml{_PACKED}",
    "health_connect": rf"\.db{_PACKED}",
}
_FILE_NAME = (
    r"(?:{person}[ ._-])?(?:\d++[ ._-])*+(?:{stem})(?:{part})*(?:[ ._-]?{person}(?=[ ._-]|$))?(?:{part})*(?:{suffix})"
)
_NUMBERED = re.compile(r"column\d+")
_PUNCTUATION = re.compile(r"[\W_]+")
_LABEL = r"[^/]{1,64}[ ._-]"
_NUMBERED_LABEL = r"(?=[^/]{0,63}?\d)[^/]{1,64}[ ._-]"


# a declaration is read once, and equals itself only: comparing all fields of two would take long
@dataclass(frozen=True, eq=False)
class Column:
    """A column of a raw table, and how a file fills it.

    Arguments:
        name: the column of the raw table.
        header: the header in the device's export; case and punctuation do not matter. In JSON, it may be a path into
            nested objects: `value.bpm`.
        type: the PostgreSQL type of its values.
        required: whether a file without this column is refused, or another export.
        minimum: the least possible value; rows below it go to quarantine.
        maximum: the greatest possible value; rows above it go to quarantine.
        aliases: other headers of the same column, such as those of other languages.
        factor: the number that values are multiplied by, to have the raw table's unit. Products are rounded in a
            column of whole numbers.
        parts: the headers whose values are added up to it. The sum is null where one of them has no value.
            `_extra` keeps them, too.
        optional_parts: those that count as zero where they have no value.
        constant: the value of every row, where the file has no such column.
        join: the headers whose values are put together, with a space between them, such as a date and a time.
        values: what words of the device mean, by these words in lower case. Others are left as they are.
        written: how its values are written: milliseconds since 1970, an ISO duration that becomes seconds, or a date
            and the seconds since its midnight.
        offset: headers of the column with the offset of its moments, which are in local time.
        shift: headers of the column with the offset of its moments, which are in UTC and become local time.
        usual: whether it is remarked on that a file lacks it.

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
    optional_parts: tuple[str, ...] = ()
    constant: str | None = None
    join: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    written: Written | None = None
    offset: tuple[str, ...] = ()
    shift: tuple[str, ...] = ()
    usual: bool = True

    @property
    def is_computed(self) -> bool:
        """Whether no single field of a file is its value."""
        return bool(self.parts or self.join) or self.constant is not None

    @property
    def is_rewritten(self) -> bool:
        """Whether its values are not those that the file has."""
        return bool(self.values or self.written or self.offset or self.shift)

    @property
    def companions(self) -> tuple[str, ...]:
        """The headers of the column with the offset of its moments."""
        return self.offset or self.shift

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers in a file that fill it, any one of them or all parts."""
        if self.constant is not None:
            return ()
        parts = (*self.parts, *self.optional_parts, *self.join)
        return parts or (self.header, *self.aliases)

    def has_parts_in(self, names: Iterable[str], *, all_of_them: bool) -> bool:
        """Whether its parts are among these headers: all that it needs, or at least one of them."""
        parts = {normalise(part) for part in (*self.parts, *self.join)}
        found = {normalise(name) for name in names}
        return parts <= found if all_of_them else not parts.isdisjoint(found)


@dataclass(frozen=True, eq=False)
class Layout:
    """One way in which files of a dataset are written.

    Arguments:
        device: the device that wrote the export.
        columns: columns of the raw table, with this export's headers. All others of a file go to `_extra`.
        usual_order: the order of day, month and year in which the device writes.
        stems: what the file name begins with, as in `Dataset`.
        date_order: the order that the declaration states, if it states one; a file that contradicts it is refused.
        format: the file format.
        table: the table, in a format that holds several. `formats/` converts such a file to the raw table's columns,
            with `user_id` and `_extra`.
        section: in a file of several tables, the title above this one.
        rows: in JSON, the path of the list of rows; None where the document is the list. Lists on the way are passed
            through: `data.metrics.data` is the `data` of each of the `metrics`.
        when: what members of the objects around the list must be, by their names, for its rows to be taken.
        where: what values a row must have to be taken, by their headers: one of these texts, anything for `*`, and
            nothing that stands after `!`.
        has: other headers that a file must have; one of each group.
        lacks: headers that a file must not have.
        drop_extra: keep nothing that is not declared, in `_extra` and in quarantine.
        clock: the clock of its times: that on the wall, or UTC.
        needs_name: whether its columns alone do not tell it; None where that follows from their names. Files with the
            same bytes and names of different layouts are no duplicates then.
        is_own: whether it is the layout that the dataset declares; its files may also have the raw table's names.
        person: which part of a path names the participant; see `persons.configure`.

    A layout without a `user_id` column is of one participant, whom the path names.
    """

    device: str
    columns: tuple[Column, ...]
    usual_order: DateOrder
    stems: tuple[str, ...]
    date_order: DateOrder | None = None
    format: ExportFormat = "any"
    table: str = ""
    section: str = ""
    rows: str | None = None
    when: tuple[tuple[str, str], ...] = ()
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    has: tuple[tuple[str, ...], ...] = ()
    lacks: tuple[str, ...] = ()
    drop_extra: bool = False
    clock: Clock = "local"
    needs_name: bool | None = None
    is_own: bool = False
    person: str = ""

    @cached_property
    def by_header(self) -> dict[str, Column]:
        """The columns by normalised header. In converted files and in the dataset's own, also by the table's names."""
        found = {
            normalise(text): column
            for column in self.columns
            if not column.is_computed
            for text in (*column.aliases, column.header)
        }
        if self.is_own or self.table:
            found = {normalise(column.name): column for column in self.columns} | found
        return found

    @cached_property
    def parts(self) -> frozenset[str]:
        """The normalised headers that are looked at besides those of the columns."""
        return frozenset(map(normalise, self._looked_at))

    @cached_property
    def objects(self) -> frozenset[str]:
        """The normalised paths of nested JSON objects that hold a column or a part."""
        headers = (header for column in self.columns for header in column.headers)
        return frozenset(
            normalise(".".join(path[:depth]))
            for path in (header.split(".") for header in (*headers, *self._looked_at))
            for depth in range(1, len(path))
        )

    @property
    def _looked_at(self) -> Iterator[str]:
        for column in self.columns:
            yield from (*column.parts, *column.optional_parts, *column.join, *column.companions)
        yield from (header for header, _ in self.where)

    @cached_property
    def computed(self) -> tuple[Column, ...]:
        """The columns that no single field of a file fills."""
        return tuple(column for column in self.columns if column.is_computed)

    @cached_property
    def required(self) -> tuple[Column, ...]:
        """The columns that a file must have."""
        return tuple(column for column in self.columns if column.required and column.constant is None)

    @cached_property
    def needed(self) -> tuple[frozenset[str], ...]:
        """The normalised headers of each required column, of which a file must have one."""
        return tuple(
            frozenset(header for header, each in self.by_header.items() if each is column)
            for column in self.required
            if not column.is_computed and column.name != "user_id"
        )

    @cached_property
    def telling(self) -> frozenset[str]:
        """Normalised headers, one of which each header of this layout has; none where it may have any names."""
        of_names = (frozenset(map(normalise, group)) for group in self.has)
        # a header without a name is called by its number
        groups = self.needed or [group for group in of_names if not any(map(_NUMBERED.fullmatch, group))]
        return max(groups, key=lambda group: min(map(len, group), default=0), default=frozenset())

    @property
    def has_own_format(self) -> bool:
        """Whether the name of a file does not tell how it is read."""
        return bool(self.table or self.section) or self.rows is not None

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
        return re.compile(self._file_name, re.IGNORECASE)

    @cached_property
    def labelled_pattern(self) -> re.Pattern[str]:
        """The pattern of the file name with a label of the participant before it."""
        # other measures are named with a word in front: resting_heart_rate
        label = _NUMBERED_LABEL if self.needs_name else _LABEL
        return re.compile(label + self._file_name, re.IGNORECASE)

    @property
    def stem_pattern(self) -> str:
        """The pattern of what the file name begins with."""
        return "|".join(re.escape(stem).replace("_", "[ ._-]?") for stem in self.stems)

    def begins(self, basename: str) -> bool:
        """Whether a file of this name, without folders, may have this layout, and nothing stands before the stem."""
        return bool(re.match(rf"(?i)(?:{self.stem_pattern})", basename) and self.pattern.fullmatch(basename))

    @property
    def _file_name(self) -> str:
        return _FILE_NAME.format(stem=self.stem_pattern, part=_PART, suffix=_SUFFIXES[self.format], person=_PERSON)

    def lacking(self, names: Iterable[str]) -> list[str]:
        """Return the headers besides its columns that a file with these headers needs."""
        found = {normalise(name) for name in names}
        return [group[0] for group in self.has if found.isdisjoint(map(normalise, group))]

    def unwanted(self, names: Iterable[str]) -> list[str]:
        """Return those of these headers that a file must not have."""
        lacks = set(map(normalise, self.lacks))
        return [name for name in names if normalise(name) in lacks]


@dataclass(frozen=True, eq=False)
class Dataset:
    """One dataset, as devices export it.

    Arguments:
        name: the raw table, without its schema.
        stems: what the name of its own files begins with; none where only other devices write it. `_` matches any
            separator or none. A name may also contain `_merged`, dates and numbers: `2026-01-20_sleep.csv`,
            `dailyActivity_merged.csv`.
        columns: the columns that the raw table has.
        key: the columns that a row must have; a row without one goes to quarantine.
        moment: the column of time whose offset from UTC `_offset` keeps; None in a table of days.
        device: what writes its own files.
        date_order: the order of day, month and year, if it is declared; a file that contradicts it is refused. ISO
            dates are always accepted.
        max_rejected_percent: the share of bad rows (0 to 100) above which the whole file is refused.
        max_rejected_rows: the number of bad rows above which the whole file is refused.
        delimiter: the character between fields; found in the header where it is None.
        quote: the character around fields.
        encoding: the encoding of files without a byte order mark, as Python names it.
        exports: the layouts of other exports.

    """

    name: str
    stems: tuple[str, ...]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    moment: str | None = None
    device: str = "Fitbit"
    date_order: DateOrder | None = None
    max_rejected_percent: float = 50.0
    max_rejected_rows: int = 100_000
    delimiter: str | None = None
    quote: str = '"'
    encoding: str = "utf-8"
    exports: tuple[Layout, ...] = ()
    layouts: tuple[Layout, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        order = self.date_order
        own = Layout(self.device, self.columns, order or "MDY", self.stems, order, is_own=True)
        object.__setattr__(self, "layouts", (*((own,) if self.stems else ()), *self.exports))

    def layouts_for(self, basename: str) -> Iterator[Layout]:
        """Yield the layouts that a file of this name, without folders, may have."""
        return (layout for layout in self.layouts if layout.pattern.fullmatch(basename))

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names in the raw table."""
        return {column.name: column for column in self.columns}

    @property
    def by_header(self) -> dict[str, Column]:
        """The columns by the normalised headers of the dataset's own files."""
        return self.layouts[0].by_header


# even a landing zone with many files has few distinct headers
@lru_cache(maxsize=4096)
def normalise(header: str) -> str:
    """Return a header in lower case, without spaces and punctuation: `Total Steps` equals `TotalSteps`."""
    return _PUNCTUATION.sub("", header).lower()
