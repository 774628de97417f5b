"""Judge rows in PostgreSQL: they wait as text in a temporary table, and bad ones are found by casting them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg2.sql import SQL, Composable, Identifier, Literal

from ingestion import db
from ingestion.errors import FileRefusedError
from ingestion.load.content import SPECIAL_MOMENTS
from ingestion.load.dialect import Dialect
from ingestion.load.header import Header
from ingestion.load.parse import Record, join_fields
from ingestion.load.stream import CHUNK_BYTES
from ingestion.quarantine import Reason
from ingestion.sources import EXTRA, Column, Dataset

_SWAPPED_ORDER = {"MDY": "DMY", "DMY": "MDY"}
_INTEGER_LIMIT = {"integer": 2**31 - 1, "bigint": 2**63 - 1}
# what PostgreSQL accepts and no device writes as a value: 0x1F, 1_000; NaN, inf; today, now
_SPECIAL_VALUES = {
    "bigint": "[_xob]",
    "integer": "[_xob]",
    "double precision": "[nx]",
    "timestamp": "|".join(SPECIAL_MOMENTS),
}
# as numbers, 007 and 7 would be one participant
_LEADING_ZEROS = r"^[\s+-]*0\d"
_WHOLE_AS_DECIMAL = r"^-?\d+\.0+$"
_NOTHING = SQL("")
_queries = db.queries("load")


@dataclass(frozen=True)
class Judge:
    """Judges rows of one file.

    Arguments:
        cursor: a cursor in the file's transaction.
        dataset: the file's dataset.
        header: the file's header.
        table: the raw table.

    """

    cursor: db.Cursor
    dataset: Dataset
    header: Header
    table: Composable

    def open(self) -> None:
        """Create the temporary table for the rows."""
        columns = [SQL("{} text").format(_name(position)) for position in range(len(self.header.fields))]
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
        return db.copy_in(self.cursor, _copy(SQL("incoming"), self.header), rows, CHUNK_BYTES)

    def refuse_swapped_dates(self) -> None:
        """Refuse a file that has a date in the other order of day and month. Its other dates would load wrong.

        Raises:
            FileRefusedError: it has such a date.

        """
        order = self.header.layout.date_order
        swapped = _SWAPPED_ORDER.get(order)
        if swapped is None:
            return
        for position, column in self._fields():
            if column.type != "timestamp":
                continue
            self.cursor.execute(
                SQL("create temp table odd_date on commit drop as select line, {} from incoming where not {}").format(
                    _name(position), _is_castable(position, column)
                )
            )
            _queries.set_datestyle(self.cursor.connection, datestyle=f"ISO, {swapped}")
            self.cursor.execute(
                SQL("select min(line) as line from odd_date where {}").format(_is_castable(position, column))
            )
            found: Any = self.cursor.fetchone()
            self.cursor.execute("drop table odd_date")
            _queries.set_datestyle(self.cursor.connection, datestyle=f"ISO, {order}")
            if found.line is not None:
                raise FileRefusedError(
                    f"the date is written {swapped}, but {self.dataset.name} expects {order}",
                    hint=f"Export with {order} or ISO dates. The file's other dates would load as wrong days.",
                    line=found.line,
                    column=column.header,
                )

    def find_bad(self) -> int:
        """Find the bad rows.

        Returns:
            The number of bad rows.

        """
        branches = [branch for position, column in self._fields() for branch in self._branches(position, column)]
        self.cursor.execute(
            SQL(
                "create temp table bad_row on commit drop as"
                " select line, verdict[1] as reason, verdict[2] as column_name"
                " from (select line, case {} end as verdict from incoming) as judged where verdict is not null"
            ).format(SQL(" ").join(branches))
        )
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
        values = [_cast(position, column) for position, column in self._fields()]
        names = [Identifier(column.name) for _, column in self._fields()]
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

    def drift(self) -> list[str]:
        """Return which columns have values that are not written as declared, and were understood nevertheless."""
        columns = [(position, column) for position, column in self._fields() if column.type in _INTEGER_LIMIT]
        counts = SQL(", ").join(
            SQL("count(*) filter (where {0} like '%.0%' and {0} ~ {1}) as {0}").format(
                _name(position), Literal(_WHOLE_AS_DECIMAL)
            )
            for position, _ in columns
        )
        self.cursor.execute(SQL("select {} from incoming").format(counts))
        found = self.cursor.fetchone() or ()
        return [
            f"{column.header} has {count} whole numbers written like 1.0"
            for (_, column), count in zip(columns, found, strict=True)
            if count
        ]

    def close(self) -> None:
        """Drop the temporary tables."""
        self.cursor.execute("drop table incoming, bad_row")

    def _fields(self) -> list[tuple[int, Column]]:
        return [(place, field) for place, field in enumerate(self.header.fields) if isinstance(field, Column)]

    def _branches(self, position: int, column: Column) -> Iterator[Composable]:
        def branch(condition: Composable, reason: Reason) -> Composable:
            return SQL("when {} then array[{}, {}]").format(condition, Literal(reason), Literal(column.name))

        value = _cast(position, column)
        if column.name in self.dataset.key:
            yield branch(SQL("{} is null").format(_text(position, column)), "missing_key")
        yield branch(SQL("not {}").format(_is_castable(position, column)), "not_castable")
        if column.minimum is not None:
            yield branch(SQL("{} < {}").format(value, Literal(column.minimum)), "out_of_range")
        if column.maximum is not None:
            yield branch(SQL("{} > {}").format(value, Literal(column.maximum)), "out_of_range")

    def _extra(self) -> Composable | None:
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
    _queries.prepare(connection, file_id=str(file_id), datestyle=f"ISO, {header.layout.date_order}")


def numbered_line(record: Record, text: str, dialect: Dialect) -> str:
    """Return a line for `Judge.copy`: the line number, the record as it came, and its fields.

    Arguments:
        record: the record.
        text: its fields, as `parse` returns them.
        dialect: how the file is written.

    """
    front = join_fields((record.line, record.raw.decode()), dialect)
    return f"{front}{dialect.delimiter}{text}\n"


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
    names = SQL(", ").join(Identifier(column.name) for column in header.columns)
    if is_unquoted:
        return SQL("copy {} ({}) from stdin (format text, encoding 'utf8', delimiter {}, null '')").format(
            table, names, Literal(header.dialect.delimiter)
        )
    options = SQL(", force_null ({})").format(names) if has_quoted_gaps else _NOTHING
    extra = SQL(", {}").format(Identifier(EXTRA)) if None in header.fields else _NOTHING
    return _copy(SQL("{} ({}{})").format(table, names, extra), header, options)


def _copy(target: Composable, header: Header, options: Composable = _NOTHING) -> Composable:
    return SQL("copy {} from stdin (format csv, encoding 'utf8', delimiter {}, quote {}, escape {}{})").format(
        target,
        Literal(header.dialect.delimiter),
        Literal(header.dialect.quote),
        Literal(header.dialect.quote),
        options,
    )


def _name(position: int) -> Composable:
    return Identifier(f"c{position}")


def _text(position: int, column: Column) -> Composable:
    name = _name(position)
    if column.type in _INTEGER_LIMIT:
        # pandas and spreadsheets write a whole number as 10000.0 once its column has a gap
        return SQL(
            r"case when {0} like '%.0%' then regexp_replace({0}, '^(-?\d+)\.0+$', '\1') else nullif({0}, '') end"
        ).format(name)
    return SQL("nullif({}, '')").format(name)


def _is_castable(position: int, column: Column) -> Composable:
    text = _text(position, column)
    if column.factor is None:
        strict = (
            SQL(" and {} !~* {}").format(text, Literal(_SPECIAL_VALUES[column.type]))
            if column.type in _SPECIAL_VALUES
            else _NOTHING
        )
        if column.name == "user_id":
            strict += SQL(" and {} !~ {}").format(text, Literal(_LEADING_ZEROS))
        return SQL("({0} is null or (pg_input_is_valid({0}, {1}){2}))").format(text, Literal(column.type), strict)
    return SQL("case when {0} is null then true when {0} ~ {1} then abs({2}) <= {3} else false end").format(
        text,
        Literal(r"^-?\d{1,12}(\.\d{1,20})?$"),
        _scaled(position, column),
        Literal(_INTEGER_LIMIT.get(column.type, 10**15)),
    )


def _cast(position: int, column: Column) -> Composable:
    if column.factor is None:
        return SQL("({})::{}").format(_text(position, column), SQL(column.type))
    return SQL("({})::{}").format(_scaled(position, column), SQL(column.type))


def _scaled(position: int, column: Column) -> Composable:
    value = SQL("({})::numeric * {}").format(_text(position, column), Literal(column.factor))
    return SQL("round({})").format(value) if column.type in _INTEGER_LIMIT else value
