"""Judge rows in PostgreSQL: they wait as text in a temporary table, and bad ones are found by casting them."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from uuid import UUID

from psycopg2.sql import SQL, Composable, Identifier, Literal

from ingestion import db
from ingestion.load.dialect import Dialect, datestyle
from ingestion.load.header import Header
from ingestion.load.numbers import NUMBERS, Marks
from ingestion.load.offsets import NO_OFFSET, offset_of
from ingestion.load.parse import Record
from ingestion.load.stream import CHUNK_BYTES
from ingestion.load.values import Value
from ingestion.quarantine import Reason
from ingestion.results import Remark
from ingestion.sources import EXTRA, OFFSET, Column, Dataset

# a number with marks that group thousands
_MARKED = r"^[+-]?\d{1,3}([., '']\d{2,3})+$"
_queries = db.queries("load")


@dataclass
class Judge:
    """Judges rows of one file.

    Arguments:
        cursor: a cursor in the file's transaction.
        dataset: the file's dataset.
        header: the file's header.
        table: the raw table.
        has_certain_rows: whether other rows of the file went to the raw table as they are.

    """

    cursor: db.Cursor
    dataset: Dataset
    header: Header
    table: Composable
    has_certain_rows: bool = False
    is_open: bool = field(default=False, init=False)
    _good: int = field(default=0, init=False)

    def settle(self, dialect: Dialect) -> None:
        """Set how the values are written, before they are judged.

        Arguments:
            dialect: how the file is written.

        """
        self.header = replace(self.header, dialect=dialect)
        _queries.set_datestyle(self.cursor.connection, datestyle=datestyle(dialect.date_order))

    def open(self) -> None:
        """Create the temporary table for the rows."""
        self.is_open = True
        count = len(self.header.fields) + (self.dataset.moment is not None)
        columns = [SQL("{} text").format(_name(position)) for position in range(count)]
        self.cursor.execute(
            SQL("create temp table incoming (line bigint, raw text, {}) on commit drop").format(SQL(", ").join(columns))
        )

    def copy(self, rows: db.Readable) -> int:
        """Copy rows into the temporary table.

        Arguments:
            rows: lines as `numbered_line` writes them.

        Returns:
            The number of rows, as PostgreSQL counted them.

        """
        if not self.is_open:
            self.open()
        options = copy_options(self.header.dialect.delimiter, self.header.dialect.quote)
        copied = db.copy_in(self.cursor, SQL("copy incoming from stdin ({})").format(options), rows, CHUNK_BYTES)
        self._good += copied
        return copied

    def find_bad(self) -> int:
        """Find the bad rows.

        Returns:
            The number of bad rows.

        """
        branches = [branch for value in self._values for branch in self._branches(value)]
        self.cursor.execute(
            # materialized: otherwise PostgreSQL works out the verdict once for each place that reads it
            SQL(
                "create temp table bad_row on commit drop as"
                " with judged as materialized (select line, case {} end as verdict from incoming)"
                " select line, verdict[1] as reason, verdict[2] as column_name from judged where verdict is not null"
            ).format(SQL(" ").join(branches))
        )
        self._good -= self.cursor.rowcount
        return self.cursor.rowcount

    def faults(self) -> Counter[str]:
        """Return the number of bad rows, by column and reason."""
        counts = _queries.count_bad_rows(self.cursor.connection)
        return Counter({f"{each.column_name}: {each.reason}": each.row_count for each in counts})

    def bad_rows(self) -> dict[int, tuple[Reason, str | None]]:
        """Return the reason and column of each bad row, by its line."""
        rows = _queries.bad_rows(self.cursor.connection)
        return {row.line: (row.reason, row.column_name) for row in rows}

    def quarantine_bad(self, file_id: int, run_id: UUID) -> int:
        """Write the bad rows to quarantine.

        Arguments:
            file_id: the file.
            run_id: the run that loads it.

        Returns:
            The number of bad rows.

        """
        return int(_queries.quarantine_bad(self.cursor.connection, file_id=file_id, run_id=str(run_id)))

    def insert_good(self) -> int:
        """Insert the other rows into the raw table.

        Returns:
            The number of good rows.

        """
        if not self._good:
            # without a column for the participant no row is good, and a distributed table takes no statement
            return 0
        values = [value.cast for value in self._values]
        names = [Identifier(value.column.name) for value in self._values]
        if self.dataset.moment and OFFSET not in [value.column.name for value in self._values]:
            default = offset_of(self.header.layout.clock)
            # in a file in UTC, +00:00 is UTC's clock too
            unsaid = SQL("'', '0'") if default else SQL("''")
            values.append(
                SQL("case when coalesce({0}, '') in ({1}) then {2} else ({0})::smallint end").format(
                    self._offset, unsaid, Literal(default)
                )
            )
            names.append(Identifier(OFFSET))
        if self.header.user_id is not None:
            values.append(Literal(self.header.user_id))
            names.append(Identifier("user_id"))
        if extra := self._extra():
            values.append(extra)
            names.append(Identifier(EXTRA))
        self.cursor.execute(
            SQL(
                "insert into {} ({}) select {} from incoming as i"
                " where not exists (select from bad_row as b where b.line = i.line)"
            ).format(self.table, SQL(", ").join(names), SQL(", ").join(values))
        )
        return self.cursor.rowcount

    def remarks(self) -> Iterator[Remark]:
        """Yield the columns of which large values were rejected: the mean of the others is too low."""
        numbers = [value for value in self._values if value.column.type in NUMBERS and not value.is_exact]
        if not numbers:
            return
        counts = SQL(", ").join(
            SQL(
                "count(*) filter (where b.column_name = {0} and {1} !~ '^-'"
                " and (b.reason = 'out_of_range' or {1} ~ {2})) as {1}"
            ).format(Literal(value.column.name), value.name, Literal(_MARKED))
            for value in numbers
        )
        self.cursor.execute(
            SQL("select {} from incoming as i inner join bad_row as b on i.line = b.line").format(counts)
        )
        for value, count in zip(numbers, self.cursor.fetchone() or (), strict=True):
            if count:
                yield Remark(
                    f"{count:,} large values of {value.column.header} are rejected: the mean of the others is too low",
                    remedy="See docs/errors.md.",
                    is_warning=True,
                )

    def close(self) -> None:
        """Drop the temporary tables."""
        self.cursor.execute("drop table incoming, bad_row")

    @cached_property
    def _are_ids_decimal(self) -> bool:
        """Whether each id that waits here is a whole number with .0 behind it."""
        place = next((p for p, each in enumerate(self.header.fields) if _is_id(each)), None)
        if place is None or self.has_certain_rows:
            return False
        self.cursor.execute(
            SQL("select bool_and({0} ~ '^\\d+\\.0$') from incoming where {0} <> ''").format(_name(place))
        )
        return bool((self.cursor.fetchone() or (False,))[0])

    @cached_property
    def _values(self) -> list[Value]:
        dialect = self.header.dialect
        return [
            Value(
                place,
                each,
                dialect.marks.get(each.name, Marks()),
                dialect.date_order,
                is_exact=each.name in self.dataset.key,
                are_ids_decimal=self._are_ids_decimal and each.name == "user_id",
            )
            for place, each in enumerate(self.header.fields)
            if isinstance(each, Column)
        ]

    def _branches(self, value: Value) -> Iterator[Composable]:
        column = value.column

        def branch(condition: Composable, reason: Reason) -> Composable:
            return SQL("when {} then array[{}, {}]").format(condition, Literal(reason), Literal(column.name))

        if column.name in self.dataset.key:
            yield branch(SQL("{} is null").format(value.text), "missing_key")
        yield branch(SQL("not {}").format(value.is_castable), "not_castable")
        if column.name == self.dataset.moment:
            yield branch(SQL("{} = {}").format(self._offset, Literal(NO_OFFSET)), "not_castable")
        if column.minimum is not None:
            yield branch(SQL("{} < {}").format(value.cast, Literal(column.minimum)), "out_of_range")
        if column.maximum is not None:
            yield branch(SQL("{} > {}").format(value.cast, Literal(column.maximum)), "out_of_range")

    @property
    def _offset(self) -> Composable:
        """The offset of the moment, which `RowReader` puts behind the fields."""
        return _name(len(self.header.fields))

    def _extra(self) -> Composable | None:
        if self.header.layout.drop_extra:
            return None
        extra = [(position, field) for position, field in enumerate(self.header.fields) if isinstance(field, str)]
        if extra:
            # not jsonb_build_object: a function takes a hundred arguments
            keys = SQL(", ").join(Literal(name) for _, name in extra)
            texts = SQL(", ").join(SQL("nullif({}, '')").format(_name(position)) for position, _ in extra)
            objects = SQL("jsonb_object(array[{}]::text[], array[{}]::text[])").format(keys, texts)
            return SQL("nullif(jsonb_strip_nulls({}), '{{}}')").format(objects)
        if None in self.header.fields:
            return SQL("{}::jsonb").format(_name(self.header.fields.index(None)))
        return None


def prepare(connection: db.Connection, file_id: int, header: Header) -> None:
    """Set, for this transaction, what the column defaults of the raw tables and the parsing of dates need.

    Arguments:
        connection: in the file's transaction.
        file_id: the `_file_id` of the rows.
        header: the file's header.

    """
    _queries.prepare(
        connection,
        file_id=str(file_id),
        datestyle=datestyle(header.dialect.date_order),
        offset=str(offset_of(header.layout.clock) or ""),
    )


def numbered_line(record: Record, text: str, dialect: Dialect) -> str:
    """Return a line for `Judge.copy`: the line number, the record as it came, and its fields.

    Arguments:
        record: the record.
        text: its fields, as `RowReader` returns them.
        dialect: how the file is written.

    """
    delimiter, quote = dialect.delimiter, dialect.quote
    raw = record.raw.decode().replace(quote, quote + quote)
    return f"{record.line}{delimiter}{quote}{raw}{quote}{delimiter}{text}\n"


def copy_into(
    table: Composable, header: Header, *, is_unquoted: bool = False, has_quoted_gaps: bool = False
) -> Composable:
    """Return the command that copies rows as they are into the raw table.

    Arguments:
        table: the raw table.
        header: the file's header.
        is_unquoted: no row has a quote or a backslash. COPY's text format then reads the same rows, 3 % faster.
        has_quoted_gaps: read `""` as no value, which costs a few per cent. Otherwise COPY refuses such a row.

    """
    names = [column.name for column in header.columns]
    filled = [*names, EXTRA] if None in header.fields and not is_unquoted else names
    options = copy_options(
        header.dialect.delimiter,
        header.dialect.quote,
        is_unquoted=is_unquoted,
        nullable=names if has_quoted_gaps and not is_unquoted else (),
    )
    return SQL("copy {} ({}) from stdin ({})").format(table, _names(filled), options)


def copy_options(
    delimiter: str, quote: str, *, is_unquoted: bool = False, nullable: Collection[str] = ()
) -> Composable:
    """Return the options with which COPY reads rows.

    Arguments:
        delimiter: the character between fields.
        quote: the character around a field.
        is_unquoted: no row has a quote or a backslash, so that COPY's text format reads them.
        nullable: the columns where `""` means no value. Text without quotes has none.

    """
    if is_unquoted:
        return SQL("format text, encoding 'utf8', delimiter {}, null ''").format(Literal(delimiter))
    options = SQL("format csv, encoding 'utf8', delimiter {0}, quote {1}, escape {1}").format(
        Literal(delimiter), Literal(quote)
    )
    return options + SQL(", force_null ({})").format(_names(nullable)) if nullable else options


def _names(columns: Iterable[str]) -> Composable:
    return SQL(", ").join(map(Identifier, columns))


def _is_id(field: Column | str | None) -> bool:
    return isinstance(field, Column) and field.name == "user_id" and field.type == "text"


def _name(position: int) -> Composable:
    return Identifier(f"c{position}")
