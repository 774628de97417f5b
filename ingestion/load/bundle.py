"""Load many small files with one COPY.

A small file is read before anything is sent, so that its text can tell whether COPY reads its rows as they are meant.
The rows of all such files go through one COPY, each behind the id of its file. Where COPY refuses a row, its file is
left to `load`, and the others go again without it.
"""

import io
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import psycopg2
from psycopg2.sql import SQL, Composable, Identifier, Literal

from ingestion import db
from ingestion.load.checks import refuses_data
from ingestion.load.content import Content
from ingestion.load.header import Header
from ingestion.load.judge import copy_options
from ingestion.load.offsets import offset_of
from ingestion.load.reading import date_remarks
from ingestion.load.stream import CHUNK_BYTES
from ingestion.load.verdict import are_plain
from ingestion.load.work import FileToLoad, Loaded
from ingestion.results import Counts
from ingestion.sources import EXTRA, DateOrder

# a packed file may unpack to much more than it has
_MOST_TEXT_BYTES = 4 << 20
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
            datestyle=Literal(f"ISO, {self.date_order}"),
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


def examine(work: FileToLoad) -> Ready | None:
    """Read a small file, and return its rows if one COPY can take them with those of others. None leaves it to `load`.

    Arguments:
        work: the file.

    Raises:
        FileRefusedError: the file as a whole cannot be loaded.

    """
    with closing(work.open()) as stream, closing(work.text(stream)) as text:
        content, header, reading = work.read_header(text)
        dialect, separator = reading.guess(content.peek())
        header = header.written_as(dialect)
        may_copy = header.has_copyable_rows and work.has_copyable_dates(content, header, separator)
        if not (may_copy and _is_plain(header.user_id)):
            return None
        sight = work.watch_dates(content, header, reading, separator)
        rows = _all_of(content)
        if rows is None or not are_plain(content, header, reading, sight, content.lines):
            return None
        form = _form_of(work, header, rows, is_unquoted=content.is_unquoted)
        if not _are_lines_rows(rows, form):
            return None
        counts = Counts(read=content.lines, loaded=content.lines)
        return Ready(Loaded.of(stream, header, counts, date_remarks(dialect)), form, rows, header.user_id)


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
        refused += bundle[at_fault]
        if at_fault != slice(0):
            waiting += [rest for rest in (bundle[at_fault.stop :], bundle[: at_fault.start]) if rest]
    return refused


def _copy(connection: db.Connection, bundle: Sequence[Bundled]) -> slice:
    """Copy a bundle. Return the part of it that is at fault where nothing was copied, an empty one otherwise."""
    rows = b"".join(file.ready.rows_of(file.file_id) for file in bundle)
    with connection.cursor() as cursor:
        try:
            copied = db.copy_in(cursor, bundle[0].ready.form.command, io.BytesIO(rows), CHUNK_BYTES)
        except psycopg2.Error as exc:
            if not refuses_data(exc):
                raise
            at_fault = _at_fault(exc, bundle)
        else:
            if copied == sum(file.ready.loaded.counts.read for file in bundle):
                return slice(0)
            at_fault = slice(0, len(bundle))
        cursor.execute("rollback to savepoint bundle")
        return at_fault


def _at_fault(exc: psycopg2.Error, bundle: Sequence[Bundled]) -> slice:
    """Return the file with the line that an error names; all files, where it names none."""
    found = _LINE_AT_FAULT.search(exc.diag.context or "")
    line = int(found[1]) if found else 0
    end = 0
    for place, file in enumerate(bundle):
        end += file.ready.loaded.counts.read
        if 0 < line <= end:
            return slice(place, place + 1)
    return slice(0, len(bundle))


def _form_of(work: FileToLoad, header: Header, rows: bytes, *, is_unquoted: bool) -> _Form:
    names = tuple(column.name for column in header.columns)
    has_extra = None in header.fields
    is_unquoted = is_unquoted and not has_extra
    quote = header.dialect.quote
    has_quoted_gaps = not is_unquoted and quote.encode() * 2 in rows
    return _Form(
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
    quote = form.quote.encode()
    return form.is_unquoted or all(line.count(quote) % 2 == 0 for line in rows.split(form.newline[-1:]))


def _is_plain(user_id: str | None) -> bool:
    return user_id is None or _PLAIN_TEXT.fullmatch(user_id) is not None
