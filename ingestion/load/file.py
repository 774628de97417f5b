"""One file into one raw table, on a connection whose transaction belongs to the caller.

A clean file goes through COPY as it is. Only where COPY objects, or takes what is no value, or the file is written in a
way that COPY cannot take, are its rows sorted: lines that are good beyond doubt still go through COPY as they are, and
the others are judged one by one, the good ones going on and the rest to quarantine.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeVar
from uuid import UUID

import psycopg2
from psycopg2.sql import Composable, Identifier

from ingestion import db, quarantine
from ingestion.errors import FileRefusedError
from ingestion.formats import Text, apple_health
from ingestion.load.header import Dialect, Header, known_header, read_header, user_of
from ingestion.load.judge import Judge, copy_into
from ingestion.load.progress import OnChunk, unwatched
from ingestion.load.read_ahead import ReadAhead
from ingestion.load.records import CHUNK_BYTES, Content, HashedStream, Record, Records, fields_of, parse
from ingestion.load.sure_lines import surely_good
from ingestion.quarantine import Reason, RejectedRow
from ingestion.results import Counts
from ingestion.sources import Dataset
from ingestion.storage import Storage, StoredFile

# what is held back of a file before it is handed to PostgreSQL
_HELD_BYTES = 8 << 20
_SHOWN_FAULTS = 3
_DATA_EXCEPTION_CLASSES = ("22", "23")
_queries = db.queries("load")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Drop:
    """A file and where it goes.

    Arguments:
        storage: where the file is.
        file: which one, and in which state.
        dataset: what it holds.
        target_schema: the schema of the raw table.
        on_chunk: called with the bytes and the lines of each chunk that was read.

    """

    storage: Storage
    file: StoredFile
    dataset: Dataset
    target_schema: str
    on_chunk: OnChunk = unwatched

    @property
    def table(self) -> Composable:
        """The raw table."""
        return Identifier(self.target_schema, self.dataset.name)

    def open(self) -> HashedStream:
        """Open the file at its beginning."""
        return HashedStream(self.storage.open(self.file), self.on_chunk)


@dataclass(frozen=True)
class Loaded:
    """What was loaded.

    Arguments:
        counts: the records.
        checksum: SHA-256 of the very bytes that went in, in hexadecimal.
        size: their number.
        extra: headers that the dataset does not declare, kept in `_extra`.
        header: all headers, as the file has them.
        dialect: how it is written, as the manifest keeps it.
        drift: what is not as the dataset declares it, and was understood all the same.

    """

    counts: Counts
    checksum: str
    size: int
    extra: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    dialect: dict[str, str] = field(default_factory=dict)
    drift: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replayed:
    """What became of rejected rows that were judged again.

    Arguments:
        loaded: the lines of those that are in the raw table now.
        rejected: reason and column of the others, by line.

    """

    loaded: tuple[int, ...]
    rejected: dict[int, tuple[Reason, str | None]]


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
    return _Load(connection, drop, file_id, run_id).run()


def replay(
    connection: db.Connection,
    dataset: Dataset,
    rejected: Iterable[tuple[int, bytes]],
    *,
    target_schema: str,
    file_id: int,
    filename: str,
    header: Iterable[str],
    dialect: dict[str, str],
) -> Replayed:
    """Judge rejected rows again, as their dataset is declared now; those that fit now go into the raw table.

    The caller takes them out of quarantine, and ends the transaction.

    Arguments:
        connection: in a transaction.
        dataset: what the file holds.
        rejected: line and bytes of each row.
        target_schema: the schema of the raw table.
        file_id: of the file.
        filename: the file's name, as the manifest has it.
        header: its headers, as the manifest has them.
        dialect: how it is written, as the manifest has it.

    Raises:
        FileRefusedError: the dataset does not take such a file any more.

    """
    known = known_header(dataset, header, read_dialect(dialect), filename)
    _prepare(connection, file_id, known)
    still: dict[int, tuple[Reason, str | None]] = {}
    taken: list[int] = []

    def formed() -> Iterable[str]:
        for line, raw in rejected:
            text, reason = parse(Record(line, raw), known)
            if text is None:
                still[line] = (reason or "not_castable", None)
            else:
                taken.append(line)
                yield _numbered(Record(line, raw), text, known.dialect)

    with connection.cursor() as cursor:
        judge = Judge(cursor, dataset, known, Identifier(target_schema, dataset.name))
        judge.open()
        rows = iter(formed())
        _check(judge.take_in(_Reading(lambda _size: next(rows, "").encode())) == len(taken))
        judge.find_misfits()
        still |= judge.misfits()
        loaded = tuple(line for line in taken if line not in still)
        _check(judge.insert_fitting() == len(loaded))
        judge.close()
    return Replayed(loaded, still)


def write_dialect(dialect: Dialect) -> dict[str, str]:
    """Return what the manifest keeps of a dialect."""
    return asdict(dialect) | {"newline": dialect.newline.decode()}


def read_dialect(kept: dict[str, str]) -> Dialect:
    """Return the dialect that the manifest has kept."""
    known: dict[str, Any] = dict(kept)
    return Dialect(**known | {"newline": kept.get("newline", "\n").encode()})


class _Load:
    def __init__(self, connection: db.Connection, drop: Drop, file_id: int, run_id: UUID) -> None:
        self._connection = connection
        self._drop = drop
        self._file_id = file_id
        self._run_id = run_id

    def run(self) -> Loaded:
        with closing(self._drop.open()) as stream, closing(self._text(stream)) as text:
            content, header = self._read_header(text)
            _prepare(self._connection, self._file_id, header)
            if header.is_plain:
                copied = self._attempt(lambda cursor: self._copy_as_it_is(cursor, content, header))
                if copied:
                    return self._loaded(stream, header, copied, ())
        pattern = surely_good(self._drop.dataset, header)
        if pattern:
            sorted_out = self._attempt(lambda cursor: self._sort_out(cursor, pattern))
            if sorted_out:
                return sorted_out
        with self._connection.cursor() as cursor:
            return self._sort_out(cursor, None)

    def _text(self, stream: HashedStream) -> Text:
        name = self._drop.file.name
        # a name with an ending of its own, and therefore with one layout
        layout = next(
            (layout for layout in self._drop.dataset.layouts_for(PurePosixPath(name).name) if layout.table), None
        )
        book = apple_health.Export(layout, user_of(layout, name)) if layout else None
        return Text(name, stream, self._drop.dataset.encoding, book=book)

    def _read_header(self, text: Text, *, is_judged: bool = False) -> tuple[Content, Header]:
        content = Content(text, self._drop.on_chunk, is_judged=is_judged)
        header = read_header(self._drop.dataset, content.peek(), self._drop.file.name, text.format)
        content.skip(header.size, header.dialect.newline, header.dialect.quote.encode())
        return content, header

    def _attempt(self, work: Callable[[db.Cursor], _Result | None]) -> _Result | None:
        """Return what the work returns; None, with nothing changed, where PostgreSQL objects to the data."""
        with self._connection.cursor() as cursor:
            cursor.execute("savepoint attempt")
            try:
                result = work(cursor)
            except psycopg2.Error as exc:
                if not (exc.pgcode or "").startswith(_DATA_EXCEPTION_CLASSES):
                    raise
                result = None
            cursor.execute("release savepoint attempt" if result else "rollback to savepoint attempt")
            return result

    def _copy_as_it_is(self, cursor: db.Cursor, content: Content, header: Header) -> Counts | None:
        gap = header.dialect.quote.encode() * 2
        is_bare = content.is_bare and None not in header.fields
        command = copy_into(self._drop.table, header, is_bare=is_bare, has_quoted_gaps=gap in content.peek())
        rows = _copy_ahead(cursor, command, content)
        if is_bare and not content.is_bare:
            # a backslash would have been read as the beginning of something else
            return None
        # what was made here has such words in the names of devices alone
        is_good = rows == content.lines and (bool(header.layout.table) or not content.has_no_values)
        return Counts(read=rows, loaded=rows) if is_good else None

    def _sort_out(self, cursor: db.Cursor, pattern: re.Pattern[bytes] | None) -> Loaded:
        with closing(self._drop.open()) as stream, closing(self._text(stream)) as text:
            content, header = self._read_header(text, is_judged=True)
            sorter = _Sorter(Records(content, header), header, self._drop.dataset, pattern)
            judge = Judge(cursor, self._drop.dataset, header, self._drop.table)
            judge.open()
            copy_sure = copy_into(self._drop.table, header, is_bare=True)
            sure = formed = rejected = 0
            while not sorter.is_done:
                if pattern:
                    sure += _copy_ahead(cursor, copy_sure, _Reading(sorter.sure))
                formed += judge.take_in(_Reading(sorter.well_formed))
                rejected += quarantine.record(self._connection, self._file_id, sorter.take_rejected(), self._run_id)
            _check(sure == sorter.sure_rows and formed == sorter.formed_rows)
            judge.refuse_swapped_dates()
            misfits = judge.find_misfits()
            _refuse_too_many(self._drop.dataset, sorter.read_rows, sorter.faults + judge.faults())
            inserted = judge.insert_fitting()
            drift = judge.drift()
            _check(judge.quarantine_misfits(self._file_id, self._run_id) == misfits)
            judge.close()
            counts = Counts(sorter.read_rows, sure + inserted, rejected + misfits, sorter.blank_rows)
            _check(counts.read == counts.loaded + counts.rejected + counts.blank)
            return self._loaded(stream, header, counts, drift)

    def _loaded(self, stream: HashedStream, header: Header, counts: Counts, drift: Iterable[str]) -> Loaded:
        stream.drain()
        return Loaded(
            counts,
            stream.checksum,
            stream.size,
            extra=header.extra,
            header=header.names,
            dialect=write_dialect(header.dialect),
            drift=(*header.drift, *drift),
        )


class _Sorter:
    """Sorts rows by what has to be done with them, holding back no more than a few megabytes.

    Arguments:
        records: of a file.
        header: of the file.
        dataset: what the file holds.
        pattern: lines that are good beyond doubt; None where there are none.

    """

    def __init__(self, records: Records, header: Header, dataset: Dataset, pattern: re.Pattern[bytes] | None) -> None:
        self._records = records
        self._header = header
        self._source = dataset
        self._pattern = pattern
        self._doubtful: deque[Record] = deque()
        self._rejected: list[RejectedRow] = []
        self._held = 0
        self.faults: Counter[str] = Counter()
        self._is_read = False
        self.sure_rows = 0
        self.formed_rows = 0
        self.blank_rows = 0
        self._doubtful_rows = 0

    @property
    def is_done(self) -> bool:
        """Tell whether the file has been read to its end, and handed on."""
        return self._is_read and not self._doubtful

    @property
    def read_rows(self) -> int:
        """All records so far."""
        return self.sure_rows + self._doubtful_rows

    def sure(self, size: int) -> bytes:
        """Return lines that are good beyond doubt, and hold the others; b"" when enough are held."""
        lines: list[bytes] = []
        length = 0
        while length < size and self._pattern and not self._is_read and self._held < _HELD_BYTES:
            run, count = self._records.run(self._pattern)
            if count:
                self.sure_rows += count
                length += len(run)
                lines.append(run)
                continue
            record = self._next()
            if record:
                self._doubtful.append(record)
                self._held += len(record.raw)
        return b"".join(lines)

    def well_formed(self, size: int) -> bytes:
        """Return what is held, or else what follows, as far as its form is good; b"" when there is enough to record."""
        lines: list[str] = []
        length = 0
        while length < size and (record := self._next_doubtful()):
            if not record.raw.strip():
                self.blank_rows += 1
                continue
            text, reason = parse(record, self._header)
            if text is None:
                self._reject(RejectedRow(record.line, reason or "not_castable", record.raw))
                continue
            self.formed_rows += 1
            line = _numbered(record, text, self._header.dialect)
            length += len(line)
            lines.append(line)
        return "".join(lines).encode()

    def take_rejected(self) -> list[RejectedRow]:
        """Return the rows whose form is bad, and let go of them."""
        rejected, self._rejected = self._rejected, []
        self._held = 0
        return rejected

    def _next_doubtful(self) -> Record | None:
        if self._pattern:
            return self._doubtful.popleft() if self._doubtful else None
        return self._next() if self._held < _HELD_BYTES and not self._is_read else None

    def _next(self) -> Record | None:
        record = self._records.next()
        if record is None:
            self._is_read = True
        else:
            self._doubtful_rows += 1
        return record

    def _reject(self, row: RejectedRow) -> None:
        self._rejected.append(row)
        self._held += len(row.raw)
        self.faults[row.reason] += 1
        if self.faults.total() > self._source.max_rejected_rows:
            _refuse_too_many(self._source, self.read_rows, self.faults)


class _Reading:
    """A function as the stream that COPY reads from."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read


def _copy_ahead(cursor: db.Cursor, command: Composable, stream: db.Readable) -> int:
    with ReadAhead(stream, CHUNK_BYTES) as ahead:
        return db.copy_in(cursor, command, ahead, CHUNK_BYTES)


def _numbered(record: Record, text: str, dialect: Dialect) -> str:
    """Return a line for the judge: number, record as it came, and fields."""
    front = fields_of((record.line, record.raw.decode()), dialect)
    return f"{front}{dialect.delimiter}{text}\n"


def _prepare(connection: db.Connection, file_id: int, header: Header) -> None:
    _queries.prepare(connection, file_id=str(file_id), datestyle=f"ISO, {header.layout.date_order}")


def _refuse_too_many(dataset: Dataset, read: int, faults: Counter[str]) -> None:
    rejected = faults.total()
    if rejected > dataset.max_rejected_rows or rejected * 100 > dataset.max_rejected_percent * read:
        raise FileRefusedError(
            f"{rejected} of {read} rows are bad, too many for the rest to be trusted: {_most_common(faults)}",
            hint=f"{dataset.name} allows {dataset.max_rejected_percent:g} % and {dataset.max_rejected_rows:,} rows;"
            " docs/errors.md says what each reason means.",
        )


def _most_common(faults: Counter[str]) -> str:
    named = [f"{fault} {count}" for fault, count in faults.most_common(_SHOWN_FAULTS)]
    return ", ".join([*named, "..."] if len(faults) > len(named) else named)


def _check(adds_up: bool) -> None:
    if not adds_up:
        raise FileRefusedError("the records do not add up", hint="This is a bug: please report it.")
