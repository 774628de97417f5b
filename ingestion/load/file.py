"""Load one file into one raw table. The caller owns the transaction.

A clean file goes through COPY as it is. Its rows are sorted only where COPY refuses it, where it has words that COPY
accepts by mistake, or where COPY cannot read its form. Rows that are certainly good then still go through COPY as they
are. PostgreSQL judges each of the others: good ones are loaded, and bad ones go to quarantine.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeVar
from uuid import UUID

import psycopg2
from psycopg2.sql import Composable, Identifier

from ingestion import db, quarantine
from ingestion.formats import TABLE_FORMATS, Text
from ingestion.load.checks import check_counts, refuse_too_many
from ingestion.load.content import Content
from ingestion.load.header import Header, read_header, user_of
from ingestion.load.judge import Judge, copy_into, prepare
from ingestion.load.progress import OnChunk, ignore_progress
from ingestion.load.read_ahead import FunctionStream, copy_ahead
from ingestion.load.records import Records
from ingestion.load.sorter import Sorter
from ingestion.load.stream import HashedStream
from ingestion.load.sure_lines import certainly_good
from ingestion.results import Counts
from ingestion.sources import Dataset
from ingestion.storage import Storage, StoredFile

_DATA_EXCEPTION_CLASSES = ("22", "23")
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

    """

    storage: Storage
    file: StoredFile
    dataset: Dataset
    target_schema: str
    on_chunk: OnChunk = ignore_progress

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
        drift: differences from the declaration that did not prevent the load.

    """

    counts: Counts
    checksum: str
    size: int
    extra: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    dialect: dict[str, str] = field(default_factory=dict)
    drift: tuple[str, ...] = ()


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
            content, header = self._read_header(text)
            prepare(self._connection, self._file_id, header)
            if header.is_copyable:
                copied = self._attempt(lambda cursor: self._copy_whole(cursor, content, header))
                if copied:
                    return self._loaded(stream, header, copied, ())
        pattern = certainly_good(self._work.dataset, header)
        if pattern:
            sorted_rows = self._attempt(lambda cursor: self._load_sorted(cursor, pattern))
            if sorted_rows:
                return sorted_rows
        with self._connection.cursor() as cursor:
            return self._load_sorted(cursor, None)

    def _text(self, stream: HashedStream) -> Text:
        name = self._work.file.name
        # such a name has a suffix of its own, and therefore one layout
        layout = next(
            (layout for layout in self._work.dataset.layouts_for(PurePosixPath(name).name) if layout.table), None
        )
        table_format = TABLE_FORMATS[layout.format](layout, user_of(layout, name)) if layout else None
        return Text(name, stream, self._work.dataset.encoding, table_format=table_format)

    def _read_header(self, text: Text, *, is_judged: bool = False) -> tuple[Content, Header]:
        content = Content(text, self._work.on_chunk, is_judged=is_judged)
        header = read_header(self._work.dataset, content.peek(), self._work.file.name, text.format)
        content.skip(header.size, header.dialect.newline, header.dialect.quote.encode(), header.leading_zeros)
        return content, header

    def _attempt(self, load_rows: Callable[[db.Cursor], _Result | None]) -> _Result | None:
        """Return the result of `load_rows`; or None, with its changes undone, where PostgreSQL refuses the data."""
        with self._connection.cursor() as cursor:
            cursor.execute("savepoint attempt")
            try:
                result = load_rows(cursor)
            except psycopg2.Error as exc:
                if not (exc.pgcode or "").startswith(_DATA_EXCEPTION_CLASSES):
                    raise
                result = None
            cursor.execute("release savepoint attempt" if result else "rollback to savepoint attempt")
            return result

    def _copy_whole(self, cursor: db.Cursor, content: Content, header: Header) -> Counts | None:
        gap = header.dialect.quote.encode() * 2
        is_unquoted = content.is_unquoted and None not in header.fields
        command = copy_into(self._work.table, header, is_unquoted=is_unquoted, has_quoted_gaps=gap in content.peek())
        rows = copy_ahead(cursor, command, content)
        if is_unquoted and not content.is_unquoted:
            # COPY's text format would have read a backslash as an escape
            return None
        # tables that formats/ writes have such words only in the names of devices
        is_good = rows == content.lines and (bool(header.layout.table) or not content.has_special_words)
        return Counts(read=rows, loaded=rows) if is_good else None

    def _load_sorted(self, cursor: db.Cursor, pattern: re.Pattern[bytes] | None) -> Loaded:
        with closing(self._work.open()) as stream, closing(self._text(stream)) as text:
            content, header = self._read_header(text, is_judged=True)
            sorter = Sorter(Records(content, header), header, self._work.dataset, pattern)
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
            judge.refuse_swapped_dates()
            bad = judge.find_bad()
            refuse_too_many(self._work.dataset, sorter.read_rows, sorter.faults + judge.faults())
            inserted = judge.insert_good()
            drift = judge.drift()
            check_counts(judge.quarantine_bad(self._file_id, self._run_id) == bad)
            judge.close()
            counts = Counts(sorter.read_rows, certain + inserted, rejected + bad, sorter.blank_rows)
            check_counts(counts.read == counts.loaded + counts.rejected + counts.blank)
            return self._loaded(stream, header, counts, drift)

    def _loaded(self, stream: HashedStream, header: Header, counts: Counts, drift: Iterable[str]) -> Loaded:
        stream.drain()
        return Loaded(
            counts,
            stream.checksum,
            stream.size,
            extra=header.extra,
            header=header.names,
            dialect=header.dialect.to_json(),
            drift=(*header.drift, *drift),
        )
