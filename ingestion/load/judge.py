"""Rows as text in a temporary table, judged by PostgreSQL itself: what fits its types goes on, the rest is named."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from psycopg2.sql import SQL, Composable, Identifier, Literal

from ingestion import db
from ingestion.errors import FileRefusedError
from ingestion.load.header import Header
from ingestion.load.records import CHUNK_BYTES, NO_MOMENTS
from ingestion.quarantine import Reason
from ingestion.sources import EXTRA, Column, Dataset

_SWAPPED_ORDER = {"MDY": "DMY", "DMY": "MDY"}
_INTEGER_LIMIT = {"integer": 2**31 - 1, "bigint": 2**63 - 1}
# what PostgreSQL would take, and no device means: 0x1F, 1_000; NaN, inf; today, now
_NO_VALUE = {
    "bigint": "[_xob]",
    "integer": "[_xob]",
    "double precision": "[nx]",
    "timestamp": "|".join(NO_MOMENTS),
}
_WHOLE_AS_DECIMAL = r"^-?\d+\.0+$"
_NOTHING = SQL("")
_queries = db.queries("load")


@dataclass(frozen=True)
class Judge:
    """Judges rows of one file.

    Arguments:
        cursor: in the file's transaction.
        dataset: what the file holds.
        header: of the file.
        table: where good rows go.

    """

    cursor: db.Cursor
    dataset: Dataset
    header: Header
    table: Composable

    def open(self) -> None:
        """Make room for rows."""
        columns = [SQL("{} text").format(_name(position)) for position in range(len(self.header.fields))]
        self.cursor.execute(
            SQL("create temp table incoming (line bigint, raw text, {}) on commit drop").format(SQL(", ").join(columns))
        )

    def take_in(self, rows: db.Readable) -> int:
        """Take rows in.

        Arguments:
            rows: lines in the file's dialect: line number, the record as it came, and its fields.

        Returns:
            How many PostgreSQL counted.

        """
        return db.copy_in(self.cursor, _copy(SQL("incoming"), self.header), rows, CHUNK_BYTES)

    def refuse_swapped_dates(self) -> None:
        """Refuse a file with a date that only fits the other order of day and month: its others would load wrong.

        Raises:
            FileRefusedError: there is one.

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
            self.cursor.execute(SQL("select min(line) from odd_date where {}").format(_is_castable(position, column)))
            (line,) = self.cursor.fetchone() or (None,)
            self.cursor.execute("drop table odd_date")
            _queries.set_datestyle(self.cursor.connection, datestyle=f"ISO, {order}")
            if line is not None:
                raise FileRefusedError(
                    f"the date is written {swapped}, and {self.dataset.name} expects {order}",
                    hint=f"Export with {order} or ISO dates: the file's other dates would load as wrong days.",
                    line=line,
                    column=column.header,
                )

    def find_misfits(self) -> int:
        """Find the rows that do not fit.

        Returns:
            How many there are.

        """
        branches = [branch for position, column in self._fields() for branch in self._branches(position, column)]
        self.cursor.execute(
            SQL(
                "create temp table misfit on commit drop as"
                " select line, verdict[1] as reason, verdict[2] as column_name"
                " from (select line, case {} end as verdict from incoming) as judged where verdict is not null"
            ).format(SQL(" ").join(branches))
        )
        return self.cursor.rowcount

    def faults(self) -> Counter[str]:
        """Return how many rows do not fit, by column and reason."""
        self.cursor.execute(
            "select column_name || ': ' || reason as fault, count(*) as row_count from misfit group by 1"
        )
        return Counter(dict(self.cursor.fetchall()))

    def misfits(self) -> dict[int, tuple[Reason, str | None]]:
        """Return reason and column of each row that does not fit, by its line."""
        self.cursor.execute("select line, reason, column_name from misfit")
        return {line: (reason, column) for line, reason, column in self.cursor}

    def quarantine_misfits(self, file_id: int, run_id: UUID) -> int:
        """Put the rows that do not fit into quarantine.

        Arguments:
            file_id: the file.
            run_id: the run.

        Returns:
            How many there were.

        """
        return int(_queries.quarantine_misfits(self.cursor.connection, file_id=file_id, run_id=str(run_id)))

    def insert_fitting(self) -> int:
        """Put the other rows into the raw table.

        Returns:
            How many there were.

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
                " where not exists (select from misfit as m where m.line = i.line)"
            ).format(self.table, SQL(", ").join(names), SQL(", ").join(values))
        )
        return self.cursor.rowcount

    def drift(self) -> list[str]:
        """Say which types are not written as declared, and were understood all the same."""
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
        """Take the room away."""
        self.cursor.execute("drop table incoming, misfit")

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


def copy_into(table: Composable, header: Header, *, is_bare: bool = False, has_quoted_gaps: bool = False) -> Composable:
    """Return the command that copies rows as they are into their table.

    Arguments:
        table: the raw table.
        header: of the file.
        is_bare: no row has a quote or a backslash: COPY's text format then reads the same, three per cent faster.
        has_quoted_gaps: take `""` for no value, at the cost of a few per cent; without it COPY refuses the row.

    """
    names = SQL(", ").join(Identifier(column.name) for column in header.columns)
    if is_bare:
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
            SQL(" and {} !~* {}").format(text, Literal(_NO_VALUE[column.type]))
            if column.type in _NO_VALUE
            else _NOTHING
        )
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
