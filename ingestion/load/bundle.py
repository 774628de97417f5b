"""Load many small files with one COPY.

A small file is read before anything is sent, so that its text can tell whether COPY reads its rows as they are meant.
Rows that COPY cannot read as they are, such as those of JSON, are rewritten for it, if all of them are certainly good.
The rows of all such files go through one COPY, each behind the id of its file. Where COPY refuses a row, its file is
left to `load`, and the others go again without it.
"""

import io
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NamedTuple

import psycopg2
from psycopg2.sql import SQL, Composable, Identifier, Literal

from ingestion import db
from ingestion.errors import FileRefusedError
from ingestion.load.checks import refuses_data
from ingestion.load.content import Content
from ingestion.load.dialect import Dialect, datestyle
from ingestion.load.header import Header
from ingestion.load.judge import copy_options
from ingestion.load.offsets import offset_of
from ingestion.load.reading import Reading, date_remarks
from ingestion.load.records import Records
from ingestion.load.sorter import Sorter
from ingestion.load.stream import CHUNK_BYTES
from ingestion.load.sure_rows import can_rewrite
from ingestion.load.verdict import are_plain
from ingestion.load.work import FileToLoad, Loaded
from ingestion.results import Counts, Remark
from ingestion.sources import EXTRA, DateOrder

# a packed file may unpack to much more than it has
_MOST_TEXT_BYTES = 4 << 20
# so much of a file is rewritten before it is looked whether all of it was certainly good
_GLANCE_BYTES = 1 << 14
# of the order of its dates: the rows themselves tell the second
_MOST_GUESSES = 2
# text that no form of COPY reads as anything else
_PLAIN_TEXT = re.compile(r"[\w.@+-]+", re.ASCII)
# behind the table's name, in whatever language the server speaks
_LINE_AT_FAULT = re.compile(r", \D*(\d+)")
_queries = db.queries("load")


class _Form(NamedTuple):
    """What rows must have in common to go through one COPY."""

    table: tuple[str, str]
    columns: tuple[str, ...]
    nullable: tuple[str, ...]
    delimiter: str
    quote: str
    newline: bytes
    is_unquoted: bool
    date_order: DateOrder
    offset: str

    @property
    def command(self) -> Composable:
        return db.composed(
            _queries.copy_bundle,
            offset=Literal(self.offset),
            datestyle=Literal(datestyle(self.date_order)),
            table=Identifier(*self.table),
            columns=SQL(", ").join(map(Identifier, ("_file_id", *self.columns))),
            options=copy_options(self.delimiter, self.quote, is_unquoted=self.is_unquoted, nullable=self.nullable),
        )


@dataclass(frozen=True)
class Ready:
    """A small file whose rows COPY reads as they are meant, as far as its text tells.

    Arguments:
        loaded: what is loaded of it, if COPY takes its rows.
        form: what its rows have in common with others.
        rows: the rows.
        user_id: the participant, where the path names them and the rows do not.

    """

    loaded: Loaded
    form: _Form
    rows: bytes
    user_id: str | None

    def rows_of(self, file_id: int) -> bytes:
        """Return the rows behind the id of their file.

        Arguments:
            file_id: the id.

        """
        if not self.rows:
            return b""
        front = (file_id,) if self.user_id is None else (file_id, self.user_id)
        prefix = "".join(f"{each}{self.form.delimiter}" for each in front).encode()
        newline = self.form.newline[-1:]
        has_end = self.rows.endswith(newline)
        lines = self.rows[:-1] if has_end else self.rows
        return prefix + lines.replace(newline, newline + prefix) + (newline if has_end else self.form.newline)


class Bundled(NamedTuple):
    """A file of a bundle.

    Arguments:
        file_id: the `_file_id` of its rows.
        ready: the file.

    """

    file_id: int
    ready: Ready


@dataclass(frozen=True)
class Left:
    """A file that `load` has to load.

    Arguments:
        may_copy: whether COPY may read its rows as they are.

    """

    may_copy: bool = True


def examine(work: FileToLoad) -> Ready | Left:
    """Read a small file, and return its rows if one COPY can take them with those of others.

    Arguments:
        work: the file.

    Raises:
        FileRefusedError: the file as a whole cannot be loaded.

    """
    with closing(work.open()) as stream, closing(work.text(stream)) as text:
        content, header, reading = work.read_header(text, is_judged=text.format == "ndjson")
        dialect, separator = reading.guess(content.peek())
        header = header.written_as(dialect)
        may_copy = header.has_copyable_rows and work.has_copyable_dates(content, header, separator)
        may_rewrite = can_rewrite(header) and reading.has_decimal_points
        if not (may_copy or may_rewrite):
            return Left()
        sight = work.watch_dates(content, header, reading, separator)
        rows = _all_of(content)
        if rows is None:
            return Left()
        are_copyable = may_copy and are_plain(content, header, reading, sight, content.lines)
        found = None
        if are_copyable and _is_plain(header.user_id):
            found = _as_they_are(work, content, header, rows)
        if not found and may_rewrite:
            found = _rewritten(work, header, reading, rows)
        if not found:
            return Left(may_copy=are_copyable)
        counts = Counts(found.copied + found.blank, found.copied, blank=found.blank)
        loaded = Loaded.of(stream, replace(header, dialect=found.dialect), counts, found.remarks)
        return Ready(loaded, found.form, found.rows, found.user_id)


def copy_together(connection: db.Connection, files: Iterable[Bundled]) -> list[Bundled]:
    """Copy the rows of files into their raw tables, with as few COPYs as their forms allow.

    Arguments:
        connection: in a transaction.
        files: the files.

    Returns:
        The files that COPY has refused. None of their rows is in the tables.

    Raises:
        psycopg2.Error: PostgreSQL refused a statement for a reason other than the data.

    """
    by_form: dict[_Form, list[Bundled]] = {}
    for file in files:
        by_form.setdefault(file.ready.form, []).append(file)
    waiting = list(by_form.values())
    refused: list[Bundled] = []
    while waiting:
        bundle = waiting.pop()
        at_fault = _copy(connection, bundle)
        if at_fault is None:
            half = len(bundle) // 2
            waiting += [bundle[half:], bundle[:half]]
            continue
        refused += bundle[at_fault]
        if at_fault != slice(0):
            waiting += [rest for rest in (bundle[at_fault.stop :], bundle[: at_fault.start]) if rest]
    return refused


def _copy(connection: db.Connection, bundle: Sequence[Bundled]) -> slice | None:
    """Copy a bundle. Return the part of it that is at fault where nothing was copied, an empty one otherwise.

    None means that a file of several is at fault, and nothing tells which.
    """
    rows = b"".join(file.ready.rows_of(file.file_id) for file in bundle)
    with connection.cursor() as cursor:
        try:
            copied = db.copy_in(cursor, bundle[0].ready.form.command, io.BytesIO(rows), CHUNK_BYTES)
        except psycopg2.Error as exc:
            if not refuses_data(exc):
                raise
            at_fault = _at_fault(exc, bundle)
        else:
            if copied == sum(file.ready.loaded.counts.loaded for file in bundle):
                return slice(0)
            at_fault = slice(0, len(bundle))
        cursor.execute("rollback to savepoint bundle")
        return at_fault


def _at_fault(exc: psycopg2.Error, bundle: Sequence[Bundled]) -> slice | None:
    """Return the file with the line that an error names, as the error of a distributed table's node does not."""
    found = _LINE_AT_FAULT.search(exc.diag.context or "")
    line = int(found[1]) if found else 0
    end = 0
    for place, file in enumerate(bundle):
        end += file.ready.loaded.counts.loaded
        if 0 < line <= end:
            return slice(place, place + 1)
    return slice(0, 1) if len(bundle) == 1 else None


class _Found(NamedTuple):
    """Rows for COPY, and what is to be recorded of them."""

    form: _Form
    rows: bytes
    copied: int
    dialect: Dialect
    remarks: Sequence[Remark]
    blank: int = 0
    user_id: str | None = None


def _as_they_are(work: FileToLoad, content: Content, header: Header, rows: bytes) -> _Found | None:
    """Return the rows as the file has them; None where a line is not a row."""
    names = tuple(column.name for column in header.columns)
    has_extra = None in header.fields
    is_unquoted = content.is_unquoted and not has_extra
    quote = header.dialect.quote
    has_quoted_gaps = not is_unquoted and quote.encode() * 2 in rows
    form = _Form(
        (work.target_schema, work.dataset.name),
        (*(() if header.user_id is None else ("user_id",)), *names, *((EXTRA,) if has_extra else ())),
        names if has_quoted_gaps else (),
        header.dialect.delimiter,
        quote,
        header.dialect.newline,
        is_unquoted,
        header.dialect.date_order,
        str(offset_of(header.layout.clock) or ""),
    )
    if not _are_lines_rows(rows, form):
        return None
    remarks = list(date_remarks(header.dialect))
    return _Found(form, rows, content.lines, header.dialect, remarks, user_id=header.user_id)


def _rewritten(work: FileToLoad, header: Header, reading: Reading, rows: bytes) -> _Found | None:
    """Return the rows rewritten for COPY; None where one of them is not certainly good."""
    for _ in range(_MOST_GUESSES):
        sight = reading.sight(header.dialect.date_order)
        records = Records(io.BytesIO(rows), header)
        sorter = Sorter(records, header, work.dataset, None, sight, is_rewritten=True)
        try:
            lines = _all_certain(sorter)
            if lines is None:
                return None
            dialect, remarks = reading.decide(sight, sorter.reader.written)
        except FileRefusedError:
            # `load` finds the reason with all evidence at hand
            return None
        if dialect.reads_like(header.dialect):
            form = _Form(
                (work.target_schema, work.dataset.name),
                sorter.rewriter.columns if sorter.rewriter else (),
                (),
                "\t",
                dialect.quote,
                b"\n",
                True,
                dialect.date_order,
                str(offset_of(header.layout.clock) or ""),
            )
            remarks += sorter.reader.remarks()
            return _Found(form, lines, sorter.certain_rows, dialect, remarks, sorter.blank_rows)
        header = replace(header, dialect=dialect)
    return None


def _all_certain(sorter: Sorter) -> bytes | None:
    """Return all rows of a file for COPY; None where one of them is not certainly good, or where they are large."""
    lines: list[bytes] = []
    size = 0
    while chunk := sorter.certain(_GLANCE_BYTES):
        lines.append(chunk)
        size += len(chunk)
        if size > _MOST_TEXT_BYTES or sorter.has_others or sorter.faults:
            return None
    has_marks = any(each.numbers.has_marks for each in sorter.reader.written)
    return None if sorter.has_others or sorter.faults or has_marks else b"".join(lines)


def _all_of(content: Content) -> bytes | None:
    """Return the whole content, or None where it is large."""
    chunks: list[bytes] = []
    size = 0
    while chunk := content.read(CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > _MOST_TEXT_BYTES:
            return None
    return b"".join(chunks)


def _are_lines_rows(rows: bytes, form: _Form) -> bool:
    """Whether each line is a row: no quoted field has a line end in it, so that quotes are even in number."""
    if form.newline == b"\r\n" and rows.endswith(b"\r"):
        # half a line end
        return False
    end = form.newline[-1:]
    if rows.startswith(form.newline) or end + form.newline in rows:
        # COPY refuses a blank line
        return False
    quote = form.quote.encode()
    return form.is_unquoted or all(line.count(quote) % 2 == 0 for line in rows.split(end))


def _is_plain(user_id: str | None) -> bool:
    return user_id is None or _PLAIN_TEXT.fullmatch(user_id) is not None
