"""Load one file into one raw table. The caller owns the transaction.

A clean file goes through COPY as it is. Its rows are sorted only where COPY refuses it, where COPY may accept it by
mistake, or where COPY cannot read its form. Rows that are certainly good then still go through COPY as they
are. PostgreSQL judges each of the others: good ones are loaded, and bad ones go to quarantine.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

import psycopg2
from psycopg2.sql import Composable, Identifier

from ingestion import db, quarantine
from ingestion.formats import Text, format_of
from ingestion.load.checks import check_counts, refuse_too_many
from ingestion.load.content import Content
from ingestion.load.date_order import Clues
from ingestion.load.dialect import Dialect
from ingestion.load.header import Header, layouts_of, read_header, user_of
from ingestion.load.judge import Judge, copy_into, prepare
from ingestion.load.offsets import may_have_offsets
from ingestion.load.progress import OnChunk, ignore_progress
from ingestion.load.read_ahead import FunctionStream, copy_ahead
from ingestion.load.reading import Reading, date_remarks
from ingestion.load.records import Records
from ingestion.load.sorter import Sorter
from ingestion.load.stream import HashedStream
from ingestion.load.sure_lines import certainly_good
from ingestion.results import Counts, Remark
from ingestion.sources import MOMENTS, Dataset, DateOrder, Layout, date_order_in, decimal_mark_in
from ingestion.storage import Storage, StoredFile

_DATA_EXCEPTION_CLASSES = ("22", "23")
# after two guesses, every row is judged, and all evidence is at hand
_MOST_GUESSES = 2
_SEPARATORS = 2
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class FileToLoad:
    """A file, and the table that it is loaded into.

    Arguments:
        storage: where the file is.
        file: the file, as listed.
        dataset: its dataset.
        target_schema: the schema of the raw table.
        on_chunk: called with the numbers of bytes and lines of each chunk that was read.
        layouts: the layouts that it may have; those of its name, where there are none.
        earlier_orders: returns the orders of dates in loaded files of the same dataset and folder that left no doubt.

    """

    storage: Storage
    file: StoredFile
    dataset: Dataset
    target_schema: str
    on_chunk: OnChunk = ignore_progress
    earlier_orders: Callable[[], frozenset[DateOrder]] = frozenset
    layouts: tuple[Layout, ...] = ()

    @property
    def table(self) -> Composable:
        """The raw table."""
        return Identifier(self.target_schema, self.dataset.name)

    def open(self) -> HashedStream:
        """Open the file at its beginning."""
        return HashedStream(self.storage.open(self.file), self.on_chunk)


@dataclass(frozen=True)
class Loaded:
    """What was loaded of a file.

    Arguments:
        counts: its records.
        checksum: SHA-256 of the bytes that were loaded, in hexadecimal.
        size: the number of these bytes.
        extra: headers that the dataset does not declare; their values are in `_extra`.
        header: all headers, as the file has them.
        dialect: how the file is written, as the manifest stores it.
        remarks: what was assumed to load it.
        certain_order: the order of its dates, if no other is possible.

    """

    counts: Counts
    checksum: str
    size: int
    extra: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    dialect: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    certain_order: DateOrder | None = None
    device: str | None = None


def load(connection: db.Connection, work: FileToLoad, file_id: int, run_id: UUID) -> Loaded:
    """Load a file.

    Arguments:
        connection: in a transaction, which the caller ends.
        work: the file.
        file_id: the `_file_id` of its rows.
        run_id: the run that the rejected rows are recorded with.

    Returns:
        The counts, where read = loaded + rejected + blank.

    Raises:
        FileRefusedError: the file as a whole cannot be loaded. The transaction may hold rows of it: roll it back.
        StatementError: PostgreSQL refused a statement for a reason other than the data.

    """
    return _FileLoad(connection, work, file_id, run_id).run()


class _FileLoad:
    def __init__(self, connection: db.Connection, work: FileToLoad, file_id: int, run_id: UUID) -> None:
        self._connection = connection
        self._work = work
        self._file_id = file_id
        self._run_id = run_id

    def run(self) -> Loaded:
        with closing(self._work.open()) as stream, closing(self._text(stream)) as text:
            content, header, reading = self._read_header(text)
            dialect, separator = reading.guess(content.peek())
            header = replace(header, dialect=dialect)
            prepare(self._connection, self._file_id, header)
            if header.is_copyable and (header.layout.table or (separator and not self._begins_with_offsets(content))):
                counts = self._attempt(lambda cursor: self._copy_whole(cursor, content, header, reading, separator))
                if isinstance(counts, Counts):
                    return self._loaded(stream, header, counts, date_remarks(header.dialect))
        for _ in range(_MOST_GUESSES):
            pattern = certainly_good(self._work.dataset, header) if separator else None
            if pattern is None:
                break
            result = self._attempt(partial(self._load_sorted, header=header, pattern=pattern))
            if isinstance(result, Loaded):
                return result
            if result is None:
                break
            header = replace(header, dialect=cast("Dialect", result))
        with self._connection.cursor() as cursor:
            result = self._load_sorted(cursor, header, None)
            check_counts(isinstance(result, Loaded))
            return cast("Loaded", result)

    def _begins_with_offsets(self, content: Content) -> bool:
        return self._work.dataset.moment is not None and may_have_offsets(content.peek())

    def _text(self, stream: HashedStream) -> Text:
        name = self._work.file.name
        own = next((layout for layout in self._layouts if layout.has_own_format), None)
        own_format = format_of(own, user_of(own, name) if own.table else None) if own else None
        return Text(name, stream, self._work.dataset.encoding, own_format=own_format)

    @property
    def _layouts(self) -> tuple[Layout, ...]:
        return self._work.layouts or layouts_of(self._work.dataset, self._work.file.name)

    def _read_header(self, text: Text, *, is_judged: bool = False) -> tuple[Content, Header, Reading]:
        content = Content(text, self._work.on_chunk, is_judged=is_judged)
        path = self._work.file.name
        header = read_header(self._work.dataset, content.peek(), path, text.format, self._layouts)
        content.skip(header.size, header.dialect, header.odd_ids)
        clues = Clues(
            self._work.dataset.name,
            usual=header.layout.usual_order,
            declared=date_order_in(path) or header.layout.date_order,
            name=path,
            written_at=self._work.file.modified_at,
            is_spreadsheet=text.has_cells,
            earlier=self._work.earlier_orders,
        )
        return content, header, Reading(header, clues, decimal_mark_in(path))

    def _attempt(self, load_rows: Callable[[db.Cursor], _Result | None]) -> _Result | None:
        """Return the result of `load_rows`, and undo its changes unless rows are loaded.

        None means that PostgreSQL refuses the data.
        """
        with self._connection.cursor() as cursor:
            cursor.execute("savepoint attempt")
            try:
                result = load_rows(cursor)
            except psycopg2.Error as exc:
                if not (exc.pgcode or "").startswith(_DATA_EXCEPTION_CLASSES):
                    raise
                result = None
            is_loaded = isinstance(result, Counts | Loaded)
            cursor.execute("release savepoint attempt" if is_loaded else "rollback to savepoint attempt")
            return result

    def _copy_whole(
        self, cursor: db.Cursor, content: Content, header: Header, reading: Reading, separator: str | None
    ) -> Counts | None:
        gap = header.dialect.quote.encode() * 2
        is_unquoted = content.is_unquoted and None not in header.fields
        command = copy_into(self._work.table, header, is_unquoted=is_unquoted, has_quoted_gaps=gap in content.peek())
        sight = reading.sight(header.dialect.date_order)
        if separator:
            content.watch_dates(sight, separator.encode(), have_offsets=self._work.dataset.moment is not None)
        rows = copy_ahead(cursor, command, content)
        if is_unquoted and not content.is_unquoted:
            # COPY's text format would have read a backslash as an escape
            return None
        if rows != content.lines or content.has_stray_quotes:
            return None
        if header.layout.table:
            # formats/ has written these values; special words are in the names of devices
            return Counts(read=rows, loaded=rows)
        dates = sum(column.type in MOMENTS for column in header.columns) * rows
        is_good = (
            not content.has_special_words
            and not content.has_offsets
            and content.separators == _SEPARATORS * dates
            and reading.confirms(sight, header.dialect.date_order)
        )
        return Counts(read=rows, loaded=rows) if is_good else None

    def _load_sorted(
        self, cursor: db.Cursor, header: Header, pattern: re.Pattern[bytes] | None
    ) -> Loaded | Dialect | None:
        """Load the rows, sorted.

        Return another dialect where the lines that went to COPY as they are have other dates in it; or None where
        their numbers are needed as evidence.
        """
        with closing(self._work.open()) as stream, closing(self._text(stream)) as text:
            content, found, reading = self._read_header(text, is_judged=True)
            header = replace(found, dialect=header.dialect)
            sight = reading.sight(header.dialect.date_order)
            sorter = Sorter(Records(content, header), header, self._work.dataset, pattern, sight)
            judge = Judge(cursor, self._work.dataset, header, self._work.table)
            judge.open()
            copy_certain = copy_into(self._work.table, header, is_unquoted=True)
            certain = judged = rejected = 0
            while not sorter.is_done:
                if pattern:
                    certain += copy_ahead(cursor, copy_certain, FunctionStream(sorter.certain))
                judged += judge.copy(FunctionStream(sorter.to_judge))
                rejected += quarantine.record(self._connection, self._file_id, sorter.take_rejected(), self._run_id)
            check_counts(certain == sorter.certain_rows and judged == sorter.judged_rows)
            if certain and any(each.numbers.has_marks for each in sorter.reader.written):
                return None
            dialect, remarks = reading.decide(sight, sorter.reader.written)
            if certain and not dialect.reads_like(header.dialect):
                return dialect
            judge.has_certain_rows = certain > 0
            judge.settle(dialect)
            bad = judge.find_bad()
            refuse_too_many(self._work.dataset, sorter.read_rows, sorter.faults + judge.faults())
            inserted = judge.insert_good()
            remarks += [*sorter.reader.remarks(), *judge.remarks()]
            check_counts(judge.quarantine_bad(self._file_id, self._run_id) == bad)
            judge.close()
            counts = Counts(sorter.read_rows, certain + inserted, rejected + bad, sorter.blank_rows)
            check_counts(counts.read == counts.loaded + counts.rejected + counts.blank)
            return self._loaded(stream, replace(header, dialect=dialect), counts, remarks)

    def _loaded(self, stream: HashedStream, header: Header, counts: Counts, remarks: Iterable[Remark]) -> Loaded:
        stream.drain()
        return Loaded(
            counts,
            stream.checksum,
            stream.size,
            extra=header.extra,
            header=header.names,
            dialect=header.dialect.to_json(),
            remarks=(*header.remarks, *remarks),
            device=header.layout.device,
            certain_order=header.dialect.date_order if header.dialect.is_date_order_certain else None,
        )
