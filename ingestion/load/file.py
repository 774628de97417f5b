"""Load one file into one raw table. The caller owns the transaction.

A clean file goes through COPY as it is. Its rows are sorted only where COPY refuses it, where COPY may accept it by
mistake, or where COPY cannot read its form. Rows that are certainly good then still go through COPY, as they are
or rewritten. PostgreSQL judges each of the others: good ones are loaded, and bad ones go to quarantine.
"""

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TypeVar, cast
from uuid import UUID

import psycopg2

from ingestion import db, quarantine
from ingestion.errors import FileRefusedError
from ingestion.load.checks import check_counts, refuse_too_many, refuses_data
from ingestion.load.content import Content
from ingestion.load.dialect import Dialect
from ingestion.load.header import Header
from ingestion.load.judge import Judge, copy_into, prepare
from ingestion.load.read_ahead import FunctionStream, copy_ahead
from ingestion.load.reading import Reading, date_remarks
from ingestion.load.records import Records
from ingestion.load.sorter import Sorter
from ingestion.load.sure_lines import certainly_good
from ingestion.load.sure_rows import can_rewrite
from ingestion.load.verdict import are_plain
from ingestion.load.work import FileToLoad, Loaded
from ingestion.results import Counts

# after two guesses, every row is judged, and all evidence is at hand
_MOST_GUESSES = 2
_Result = TypeVar("_Result")


def load(
    connection: db.Connection, work: FileToLoad, file_id: int, run_id: UUID, *, is_refused_by_copy: bool = False
) -> Loaded:
    """Load a file.

    Arguments:
        connection: in a transaction, which the caller ends.
        work: the file.
        file_id: the `_file_id` of its rows.
        run_id: the run that the rejected rows are recorded with.
        is_refused_by_copy: COPY has refused its rows as they are, and need not be asked again.

    Returns:
        The counts, where read = loaded + rejected + blank.

    Raises:
        FileRefusedError: the file as a whole cannot be loaded. The transaction may hold rows of it: roll it back.
        StatementError: PostgreSQL refused a statement for a reason other than the data.

    """
    return _FileLoad(connection, work, file_id, run_id).run(is_refused_by_copy=is_refused_by_copy)


class _FileLoad:
    def __init__(self, connection: db.Connection, work: FileToLoad, file_id: int, run_id: UUID) -> None:
        self._connection = connection
        self._work = work
        self._file_id = file_id
        self._run_id = run_id

    def run(self, *, is_refused_by_copy: bool) -> Loaded:
        with closing(self._work.open()) as stream, closing(self._work.text(stream)) as text:
            content, header, reading = self._work.read_header(text)
            dialect, separator = reading.guess(content.peek())
            header = header.written_as(dialect)
            prepare(self._connection, self._file_id, header)
            may_copy = header.is_copyable and self._work.has_copyable_dates(content, header, separator)
            if may_copy and not is_refused_by_copy:
                counts = self._attempt(lambda cursor: self._copy_whole(cursor, content, header, reading, separator))
                if isinstance(counts, Counts):
                    return Loaded.of(stream, header, counts, date_remarks(header.dialect))
        for _ in range(_MOST_GUESSES):
            pattern = certainly_good(self._work.dataset, header)
            if not separator or not (pattern or can_rewrite(header)):
                break
            load_rows = partial(self._load_sorted, header=header, pattern=pattern)
            result = self._attempt(load_rows if pattern else partial(self._load_rewritten, header=header))
            if isinstance(result, Loaded):
                return result
            if result is None:
                break
            header = replace(header, dialect=cast("Dialect", result))
            # COPY has to read the dates in this order, too
            prepare(self._connection, self._file_id, header)
        with self._connection.cursor() as cursor:
            result = self._load_sorted(cursor, header, None)
            check_counts(isinstance(result, Loaded))
            return cast("Loaded", result)

    def _attempt(self, load_rows: Callable[[db.Cursor], _Result | None]) -> _Result | None:
        """Return the result of `load_rows`, and undo its changes unless rows are loaded.

        None means that PostgreSQL refuses the data.
        """
        with self._connection.cursor() as cursor:
            cursor.execute("savepoint attempt")
            try:
                result = load_rows(cursor)
            except psycopg2.Error as exc:
                if not refuses_data(exc):
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
        sight = self._work.watch_dates(content, header, reading, separator)
        rows = copy_ahead(cursor, command, content)
        if is_unquoted and not content.is_unquoted:
            # COPY's text format would have read a backslash as an escape
            return None
        return Counts(read=rows, loaded=rows) if are_plain(content, header, reading, sight, rows) else None

    def _load_rewritten(self, cursor: db.Cursor, header: Header) -> Loaded | Dialect | None:
        try:
            return self._load_sorted(cursor, header, None, is_rewritten=True)
        except FileRefusedError:
            # once every row is judged, all evidence is at hand for the reason
            return None

    def _load_sorted(
        self, cursor: db.Cursor, header: Header, pattern: re.Pattern[bytes] | None, *, is_rewritten: bool = False
    ) -> Loaded | Dialect | None:
        """Load the rows, sorted.

        Return another dialect where the lines that went to COPY have other dates in it; or None where their numbers
        are needed as evidence.
        """
        with closing(self._work.open()) as stream, closing(self._work.text(stream)) as text:
            content, found, reading = self._work.read_header(text, is_judged=True)
            header = replace(found, dialect=header.dialect)
            sight = reading.sight(header.dialect.date_order)
            dataset, table = self._work.dataset, self._work.table
            records = Records(content, header)
            sorter = Sorter(
                records, header, dataset, pattern, sight, is_rewritten=is_rewritten, on_chunk=self._work.on_chunk
            )
            judge = Judge(cursor, dataset, header, table)
            rewriter = sorter.rewriter
            copy_certain = rewriter.command(table) if rewriter else copy_into(table, header, is_unquoted=True)
            certain = judged = rejected = 0
            while not sorter.is_done:
                if sorter.has_certain:
                    certain += copy_ahead(cursor, copy_certain, FunctionStream(sorter.certain))
                if sorter.has_others:
                    judged += judge.copy(FunctionStream(sorter.to_judge))
                rejected += quarantine.record(self._connection, self._file_id, sorter.take_rejected(), self._run_id)
                if certain and any(each.numbers.has_marks for each in sorter.reader.written):
                    return None
            check_counts(certain == sorter.certain_rows and judged == sorter.judged_rows)
            dialect, remarks = reading.decide(sight, sorter.reader.written)
            if certain and not dialect.reads_like(header.dialect):
                return dialect
            judge.has_certain_rows = certain > 0
            remarks += sorter.reader.remarks()
            inserted = bad = 0
            faults = sorter.faults
            if judge.is_open:
                judge.settle(dialect)
                bad = judge.find_bad()
                faults = faults + judge.faults()
            refuse_too_many(dataset, sorter.read_rows, faults)
            if judge.is_open:
                inserted = judge.insert_good()
                remarks += judge.remarks()
                check_counts(judge.quarantine_bad(self._file_id, self._run_id) == bad)
                judge.close()
            counts = Counts(sorter.read_rows, certain + inserted, rejected + bad, sorter.blank_rows)
            check_counts(counts.read == counts.loaded + counts.rejected + counts.blank)
            return Loaded.of(stream, replace(header, dialect=dialect), counts, remarks)
