"""One file into one raw table, on a connection whose transaction belongs to the caller.

A clean file goes through COPY as it is. Only where COPY objects, or the file has columns that the source does not
declare, are its records taken one by one: the good ones go on, the others to quarantine.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

import psycopg2
from psycopg2.sql import SQL, Composable, Identifier, Literal

from ingestion import db, quarantine
from ingestion.errors import FileRefusedError
from ingestion.header import Header, read_header
from ingestion.manifest import Counts
from ingestion.progress import OnChunk, unwatched
from ingestion.quarantine import Reason, RejectedRow
from ingestion.records import CHUNK_BYTES, HashedStream, Record, parse, records
from ingestion.sources import Column, Source
from ingestion.storage import Storage, StoredFile

_TYPICAL_LINE_BYTES = 128
_DATA_EXCEPTION_CLASSES = ("22", "23")
_SWAPPED_ORDER = {"MDY": "DMY", "DMY": "MDY", "YMD": "YDM"}
_queries = db.queries("load")


@dataclass(frozen=True)
class Drop:
    """A file and where it goes.

    Arguments:
        storage: where the file is.
        file: which one, and in which state.
        source: what it holds.
        target_schema: the schema of the raw table.
        on_chunk: called with the bytes and the lines of each chunk that was read.

    """

    storage: Storage
    file: StoredFile
    source: Source
    target_schema: str
    on_chunk: OnChunk = unwatched

    @property
    def table(self) -> Composable:
        """The raw table."""
        return Identifier(self.target_schema, self.source.name)

    def open(self, *, silent: bool = False) -> HashedStream:
        """Open the file at its beginning."""
        return HashedStream(self.storage.open(self.file), unwatched if silent else self.on_chunk)


@dataclass(frozen=True)
class Loaded:
    """What was loaded.

    Arguments:
        counts: the records.
        checksum: SHA-256 of the very bytes that went in, in hexadecimal.
        size: their number.
        extra: headers that the source does not declare, kept in `_extra`.

    """

    counts: Counts
    checksum: str
    size: int
    extra: tuple[str, ...]


def load(connection: db.Connection, drop: Drop, file_id: int, run_id: UUID) -> Loaded:
    """Load a file.

    Arguments:
        connection: in a transaction, which the caller ends.
        drop: the file.
        file_id: goes into the rows' `_file_id`.
        run_id: goes with the rejected rows.

    Returns:
        Counts that add up: read = loaded + rejected + blank.

    Raises:
        FileRefusedError: the file as a whole cannot be loaded. The transaction may hold a part of it: roll it back.
        StatementError: PostgreSQL refused for another reason than the data.

    """
    _queries.prepare(connection, file_id=str(file_id), datestyle=f"ISO, {drop.source.date_order}")
    with closing(drop.open()) as stream:
        header = read_header(drop.source, stream.peek())
        if not header.extra:
            stream.skip(header.size, header.newline)
            if loaded := _copy_as_it_is(connection, drop, header, stream):
                return loaded
    return _copy_by_record(connection, drop, header, file_id, run_id)


def _copy_as_it_is(connection: db.Connection, drop: Drop, header: Header, stream: HashedStream) -> Loaded | None:
    """Load by COPY alone; None, with nothing changed, where the file needs a closer look."""
    command = SQL("copy {} ({}) from stdin (format csv, encoding 'utf8', force_null ({}))").format(
        drop.table, _names(header.columns), _names(header.columns)
    )
    with connection.cursor() as cursor:
        cursor.execute("savepoint copy")
        try:
            rows = db.copy_in(cursor, command, stream, CHUNK_BYTES)
        except psycopg2.Error as exc:
            if not (exc.pgcode or "").startswith(_DATA_EXCEPTION_CLASSES):
                raise
            cursor.execute("rollback to savepoint copy")
            return None
        if rows != stream.lines:
            cursor.execute("rollback to savepoint copy")
            return None
    return Loaded(Counts(read=rows, loaded=rows), stream.checksum, stream.size, ())


def _copy_by_record(connection: db.Connection, drop: Drop, header: Header, file_id: int, run_id: UUID) -> Loaded:
    """Load into a temporary table of text, then move what fits its types into the raw table."""
    with closing(drop.open()) as stream, connection.cursor() as cursor:
        feed = _Feed(_records(stream, header), len(header.fields), drop.source)
        cursor.execute(_create_incoming(header))
        db.copy_in(cursor, SQL("copy incoming from stdin (format csv, encoding 'utf8')"), feed, CHUNK_BYTES)
        _refuse_swapped_dates(cursor, header, drop.source)
        cursor.execute(_create_misfit(header, drop.source))
        _refuse_too_many(drop.source, feed.read_records, len(feed.rejected) + cursor.rowcount)
        cursor.execute(_insert_fitting(drop, header))
        loaded = cursor.rowcount
        cursor.execute("select line, reason, column_name from misfit")
        rejected = feed.rejected | {line: (reason, column) for line, reason, column in cursor}
        cursor.execute("drop table incoming, misfit")
    kept = quarantine.record(connection, file_id, _again(drop, header, rejected, stream.checksum), run_id)
    counts = Counts(read=feed.read_records, loaded=loaded, rejected=kept, blank=feed.blank)
    if counts.read != counts.loaded + counts.rejected + counts.blank:
        raise FileRefusedError(f"the records do not add up: {counts}", hint="This is a bug: please report it.")
    return Loaded(counts, stream.checksum, stream.size, header.extra)


def _records(stream: HashedStream, header: Header) -> Iterator[Record]:
    stream.peek()
    stream.skip(header.size, header.newline)
    return records(stream, header.newline, len(header.fields))


def _again(
    drop: Drop, header: Header, rejected: Mapping[int, tuple[Reason, str | None]], checksum: str
) -> Iterator[RejectedRow]:
    """Fetch the rejected rows out of the file, which is cheaper than to carry each row along in case it is bad."""
    if not rejected:
        return
    with closing(drop.open(silent=True)) as stream:
        for record in _records(stream, header):
            if record.line in rejected:
                reason, column = rejected[record.line]
                yield RejectedRow(record.line, reason, record.raw, column)
        if stream.checksum != checksum:
            raise changed()


def changed() -> FileRefusedError:
    """Return the error for a file that is not the same from its beginning to its end."""
    return FileRefusedError("it changed while it was read", hint="Nothing of it was loaded; the next run takes it up.")


class _Feed:
    """The well-formed records as COPY reads them, each behind its line number."""

    def __init__(self, source_records: Iterator[Record], field_count: int, source: Source) -> None:
        self._lines = self._well_formed(source_records, field_count, source)
        self.read_records = 0
        self.blank = 0
        self.rejected: dict[int, tuple[Reason, str | None]] = {}

    def read(self, size: int) -> bytes:
        return "".join(islice(self._lines, max(1, size // _TYPICAL_LINE_BYTES))).encode()

    def _well_formed(self, source_records: Iterator[Record], field_count: int, source: Source) -> Iterator[str]:
        for record in source_records:
            self.read_records += 1
            if not record.raw.strip():
                self.blank += 1
                continue
            text, reason = parse(record, field_count)
            if reason is None:
                yield f"{record.line},{text}\n"
                continue
            self.rejected[record.line] = (reason, None)
            if len(self.rejected) > source.max_rejected_rows:
                _refuse_too_many(source, self.read_records, len(self.rejected))


def _refuse_too_many(source: Source, read: int, rejected: int) -> None:
    if rejected > source.max_rejected_rows or rejected * 100 > source.max_rejected_percent * read:
        raise FileRefusedError(
            f"{rejected} of {read} rows are bad: too many for the rest to be trusted",
            hint=f"{source.name} allows {source.max_rejected_percent:g} % and {source.max_rejected_rows} rows.",
        )


def _refuse_swapped_dates(cursor: db.Cursor, header: Header, source: Source) -> None:
    """Refuse a file with a date that only fits the other order of day and month: its other dates would load wrong."""
    swapped = _SWAPPED_ORDER[source.date_order]
    for position, column in _fields(header):
        if column.type != "timestamp":
            continue
        text = Identifier(f"c{position}")
        cursor.execute(
            SQL("create temp table odd_date on commit drop as select line, {} from incoming where not {}").format(
                text, _castable(position, column)
            )
        )
        _queries.set_datestyle(cursor.connection, datestyle=f"ISO, {swapped}")
        cursor.execute(SQL("select min(line) from odd_date where {}").format(_castable(position, column)))
        (line,) = cursor.fetchone() or (None,)
        cursor.execute("drop table odd_date")
        _queries.set_datestyle(cursor.connection, datestyle=f"ISO, {source.date_order}")
        if line is not None:
            raise FileRefusedError(
                f"the date is written {swapped}, and {source.name} expects {source.date_order}",
                hint=f"Export with {source.date_order} or ISO dates: the file's other dates would load as wrong days.",
                line=line,
                column=column.header,
            )


def _fields(header: Header) -> list[tuple[int, Column]]:
    return [(position, field) for position, field in enumerate(header.fields) if isinstance(field, Column)]


def _names(columns: Iterable[Column]) -> Composable:
    return SQL(", ").join(Identifier(column.name) for column in columns)


def _create_incoming(header: Header) -> Composable:
    columns = SQL(", ").join(SQL("{} text").format(Identifier(f"c{i}")) for i in range(len(header.fields)))
    return SQL("create temp table incoming (line bigint, {}) on commit drop").format(columns)


def _text(position: int, column: Column) -> Composable:
    text = Identifier(f"c{position}")
    if column.type in {"bigint", "integer"}:
        # pandas and spreadsheets write a whole number as 10000.0 once its column has a gap
        return SQL(r"regexp_replace(nullif({}, ''), '^(-?\d+)\.0+$', '\1')").format(text)
    return SQL("nullif({}, '')").format(text)


def _castable(position: int, column: Column) -> Composable:
    text = _text(position, column)
    return SQL("({} is null or pg_input_is_valid({}, {}))").format(text, text, Literal(column.type))


def _cast(position: int, column: Column) -> Composable:
    return SQL("{}::{}").format(_text(position, column), SQL(column.type))


def _create_misfit(header: Header, source: Source) -> Composable:
    branches = [branch for position, column in _fields(header) for branch in _misfit_branches(position, column, source)]
    return SQL(
        "create temp table misfit on commit drop as"
        " select line, verdict[1] as reason, verdict[2] as column_name"
        " from (select line, case {} end as verdict from incoming) as judged where verdict is not null"
    ).format(SQL(" ").join(branches))


def _misfit_branches(position: int, column: Column, source: Source) -> Iterator[Composable]:
    def branch(condition: Composable, reason: Reason) -> Composable:
        return SQL("when {} then array[{}, {}]").format(condition, Literal(reason), Literal(column.name))

    value = _cast(position, column)
    if column.name in source.key:
        yield branch(SQL("{} is null").format(_text(position, column)), "missing_key")
    yield branch(SQL("not {}").format(_castable(position, column)), "not_castable")
    if column.minimum is not None:
        yield branch(SQL("{} < {}").format(value, Literal(column.minimum)), "out_of_range")
    if column.maximum is not None:
        yield branch(SQL("{} > {}").format(value, Literal(column.maximum)), "out_of_range")


def _insert_fitting(drop: Drop, header: Header) -> Composable:
    fields = _fields(header)
    values = [_cast(position, column) for position, column in fields]
    names = [Identifier(column.name) for _, column in fields]
    extra = [(position, field) for position, field in enumerate(header.fields) if isinstance(field, str)]
    if extra:
        # not jsonb_build_object: a function takes a hundred arguments
        keys = SQL(", ").join(Literal(name) for _, name in extra)
        texts = SQL(", ").join(SQL("nullif({}, '')").format(Identifier(f"c{position}")) for position, _ in extra)
        objects = SQL("jsonb_object(array[{}]::text[], array[{}]::text[])").format(keys, texts)
        values.append(SQL("nullif(jsonb_strip_nulls({}), '{{}}')").format(objects))
        names.append(Identifier("_extra"))
    return SQL(
        "insert into {} ({}) select {} from incoming as i"
        " where not exists (select from misfit as m where m.line = i.line)"
    ).format(drop.table, SQL(", ").join(names), SQL(", ").join(values))
