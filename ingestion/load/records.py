"""A file as a stream of bytes that is hashed as it passes, and as records with their line numbers."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.load.header import Dialect, Header
from ingestion.load.progress import OnChunk, unwatched
from ingestion.quarantine import Reason
from ingestion.sources import Column, normalise
from ingestion.storage import Storage, StoredFile

CHUNK_BYTES = 1 << 18
MAX_LINE_BYTES = 16 << 20
# how far a quoted field may run on over line ends before its quote counts as never closed
_MAX_QUOTED_LINES = 100

# PostgreSQL takes these for moments and numbers, or for parts of them, and no device means that: each has one of the
# letters
NO_MOMENTS = ("today", "tomorrow", "yesterday", "now", "epoch", "infinity")
_NO_VALUES = tuple(word.encode() for word in (*NO_MOMENTS, "nan", "inf", "0x", "0o", "0b", "_"))
_TELLING_LETTERS = tuple(letter.encode() for letter in "nNoOyYxXbB_")
# more than the longest of them, with quotes in it
_OVERLAP_BYTES = 64

csv.field_size_limit(MAX_LINE_BYTES)


class HashedStream(io.RawIOBase):
    """The bytes of a file, hashed and counted as they pass.

    Arguments:
        raw: where they come from; closed with this stream.
        on_chunk: called with the bytes of each chunk, and no lines.

    """

    def __init__(self, raw: BinaryIO, on_chunk: OnChunk = unwatched) -> None:
        self._raw = raw
        self._on_chunk = on_chunk
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, b"" at the end.

        Arguments:
            size: the most to return.

        """
        chunk = self._raw.read(size)
        if chunk:
            self._digest.update(chunk)
            self.size += len(chunk)
            self._on_chunk(len(chunk), 0)
        return chunk

    def drain(self) -> None:
        """Read to the end, for the checksum's sake."""
        while self.read(CHUNK_BYTES):
            pass

    def close(self) -> None:
        """Close the source too."""
        self._raw.close()
        super().close()

    @property
    def checksum(self) -> str:
        """SHA-256 of all that was read, in hexadecimal."""
        return self._digest.hexdigest()


def checksum_of(storage: Storage, file: StoredFile) -> str:
    """Return SHA-256 of a file's bytes, in hexadecimal.

    Arguments:
        storage: where it is.
        file: which one, and in which state.

    Raises:
        FileRefusedError: it cannot be read.

    """
    with closing(HashedStream(storage.open(file))) as stream:
        stream.drain()
        return stream.checksum


class Content:
    """The text of a file on its way to COPY, its lines counted and looked through for what COPY is too kind to.

    Arguments:
        source: UTF-8, whatever the file is written in.
        on_chunk: called with no bytes and the lines of each chunk.
        is_judged: each row is judged by itself later on, so that the text need not be looked through.

    Otherwise `has_no_values` tells whether a word has passed, such as `today` or `NaN`, that PostgreSQL would take for
    a value, and `is_bare` whether neither a quote nor a backslash has.
    """

    def __init__(self, source: Readable, on_chunk: OnChunk = unwatched, *, is_judged: bool = False) -> None:
        self._source = source
        self._on_chunk = on_chunk
        self._is_judged = is_judged
        self._pending = b""
        self._last = b""
        self._newline = b"\n"
        self._newlines = 0
        self._tail = b""
        self._marks: tuple[bytes, ...] = (b"\\", b'"')
        self.has_no_values = False
        self.is_bare = True

    def peek(self) -> bytes:
        """Return the first bytes without taking them: a whole chunk, unless there is less."""
        while len(self._pending) < CHUNK_BYTES and (chunk := self._source.read(CHUNK_BYTES)):
            self._pending += chunk
        return self._pending

    def skip(self, count: int, newline: bytes, quote: bytes = b'"') -> None:
        """Leave the header behind and begin to count lines.

        Arguments:
            count: the header's length, at most what `peek` returned.
            newline: what ends a line.
            quote: what a field may be wrapped in.

        """
        self._pending = self._pending[count:]
        self._newline = newline[-1:]
        self._marks = (b"\\", quote)
        self.is_bare = self._has_no_mark(self._pending)

    def read(self, size: int) -> bytes:
        """Return the next bytes, b"" at the end.

        Arguments:
            size: the most to return.

        """
        if self._pending:
            chunk, self._pending = self._pending[:size], self._pending[size:]
        else:
            chunk = self._source.read(size)
        if chunk:
            lines = chunk.count(self._newline)
            self._newlines += lines
            self._last = chunk[-1:]
            if not self._is_judged:
                self._look_through(chunk)
            self._on_chunk(0, lines)
        return chunk

    def _has_no_mark(self, chunk: bytes) -> bool:
        return not any(mark in chunk for mark in self._marks)

    def _look_through(self, chunk: bytes) -> None:
        self.is_bare = self.is_bare and self._has_no_mark(chunk)
        text = self._tail + chunk
        self._tail = text[-_OVERLAP_BYTES:]
        # these are found ten times faster than line ends, and rows of numbers and dates have none of these
        if any(letter in text for letter in _TELLING_LETTERS):
            text = text.replace(b'"', b"").lower()
            self.has_no_values = self.has_no_values or any(word in text for word in _NO_VALUES)

    @property
    def lines(self) -> int:
        """Lines read since `skip`, one without a line end at the end included."""
        return self._newlines + (self._last not in {b"", self._newline})


@dataclass(frozen=True)
class Record:
    """One row of a file, not yet understood.

    Arguments:
        line: the physical line it begins on, the file's first line being line 1.
        raw: its bytes, without the line end.

    """

    line: int
    raw: bytes


class Records:
    """The rows of a file: a line each, or several lines where a quoted field holds line ends.

    Arguments:
        content: behind the header.
        header: of the file.

    """

    def __init__(self, content: Readable, header: Header) -> None:
        self._content = content
        self._dialect = header.dialect
        self._newline = header.dialect.newline[-1:]
        self._quote = header.dialect.quote.encode()
        self._field_count = len(header.fields)
        self._buffer = b""
        self._position = 0
        self._back: list[bytes] = []
        self._line = header.line

    def run(self, pattern: re.Pattern[bytes]) -> tuple[bytes, int]:
        """Take as many lines as the pattern matches from here on; as a rule not all that follow, but all in memory.

        Arguments:
            pattern: matches any number of whole lines, line ends included.

        Returns:
            The lines as they are, and their number; b"" where the next record must be looked at by itself.

        """
        while not self._back:
            match = pattern.match(self._buffer, self._position)
            end = match.end() if match else self._position
            if end > self._position:
                lines = self._buffer[self._position : end]
                self._position = end
                count = lines.count(self._newline)
                self._line += count
                return lines, count
            if self._buffer.find(self._newline, self._position) >= 0 or not self._fill():
                break
        return b"", 0

    def next(self) -> Record | None:
        """Take one record.

        Returns:
            The record, or None at the end.

        Raises:
            FileRefusedError: a line is longer than any row can be.

        """
        line = self._next_line()
        if line is None:
            return None
        number = self._line
        if self._dialect.format == "csv" and line.count(self._quote) % 2:
            line = self._with_quoted_lines(line)
        return Record(number, line)

    def _with_quoted_lines(self, line: bytes) -> bytes:
        """Return the record that an open quote makes of this line and the next ones; the line alone where none fits."""
        parts = [line]
        while len(parts) <= _MAX_QUOTED_LINES and (following := self._next_line()) is not None:
            parts.append(following)
            if following.count(self._quote) % 2:
                whole = self._newline.join(parts)
                if _count_fields(whole.decode(errors="replace"), self._dialect) == self._field_count:
                    return whole
                break
        self._back.extend(reversed(parts[1:]))
        self._line -= len(parts) - 1
        return line

    def _next_line(self) -> bytes | None:
        if self._back:
            self._line += 1
            return self._back.pop()
        while (end := self._buffer.find(self._newline, self._position)) < 0:
            if len(self._buffer) - self._position > MAX_LINE_BYTES:
                raise self._too_long()
            if not self._fill():
                end = len(self._buffer)
                if end == self._position:
                    return None
                break
        if end - self._position > MAX_LINE_BYTES:
            raise self._too_long()
        line = self._buffer[self._position : end]
        self._position = min(end + 1, len(self._buffer))
        self._line += 1
        return line.rstrip(b"\r")

    def _too_long(self) -> FileRefusedError:
        return FileRefusedError(
            f"the line is longer than {MAX_LINE_BYTES >> 20} MiB", hint="Export the file again.", line=self._line + 1
        )

    def _fill(self) -> bool:
        chunk = self._content.read(CHUNK_BYTES)
        if not chunk:
            return False
        self._buffer = self._buffer[self._position :] + chunk
        self._position = 0
        return True


def parse(record: Record, header: Header) -> tuple[str, None] | tuple[None, Reason]:
    """Check the form of a record.

    Arguments:
        record: not blank.
        header: of its file.

    Returns:
        The fields as text that COPY can take in the file's dialect, or the reason to reject it.

    """
    if b"\x00" in record.raw:
        return None, "nul_byte"
    try:
        text = record.raw.decode()
    except UnicodeDecodeError:
        return None, "undecodable"
    if header.dialect.format == "ndjson":
        return _parse_object(text, header)
    return _parse_fields(text, header)


def fields_of(values: Sequence[Any], dialect: Dialect) -> str:
    """Return a line of fields, without a line end.

    Arguments:
        values: text, or whatever `str` makes text of; None for no value.
        dialect: how to write them.

    """
    line = io.StringIO()
    csv.writer(line, delimiter=dialect.delimiter, quotechar=dialect.quote, lineterminator="").writerow(values)
    return line.getvalue()


def _parse_fields(text: str, header: Header) -> tuple[str, None] | tuple[None, Reason]:
    if text.count(header.dialect.quote) % 2:
        return None, "unclosed_quote"
    found = _count_fields(text, header.dialect)
    if found is None:
        return None, "stray_carriage_return"
    if found != len(header.fields):
        return None, "too_few_fields" if found < len(header.fields) else "too_many_fields"
    return text, None


def _count_fields(text: str, dialect: Dialect) -> int | None:
    """Return the number of fields, or None where a line end stands outside quotes.

    As COPY sees it: a quote opens and closes anywhere. Inside a field Python's csv takes it for a character.
    """
    outside = "".join(text.split(dialect.quote)[::2])
    return None if "\r" in outside or "\n" in outside else outside.count(dialect.delimiter) + 1


def _parse_object(text: str, header: Header) -> tuple[str, None] | tuple[None, Reason]:
    try:
        pairs = json.loads(text, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None, "not_json"
    if not isinstance(pairs, _Pairs):
        return None, "not_json"
    values: dict[str, str | None] = {}
    extra: dict[str, str | None] = {}
    for name, value in pairs:
        column = header.layout.by_header.get(normalise(name))
        place, key = (values, column.name) if column else (extra, name)
        if key in place:
            return None, "not_json"
        place[key] = _as_text(value)
    if header.layout.parts:
        values |= _added_up(extra, header)
    fields = [values.get(field.name) if isinstance(field, Column) else None for field in header.fields]
    kept = {name: value for name, value in extra.items() if value is not None}
    fields[-1] = json.dumps(kept, ensure_ascii=False) if kept else None
    line = fields_of(fields, header.dialect)
    if "\x00" in line or "\\u0000" in line:
        return None, "nul_byte"
    try:
        line.encode()
    except UnicodeEncodeError:
        return None, "undecodable"
    return line, None


def _added_up(found: dict[str, str | None], header: Header) -> dict[str, str | None]:
    """Return the columns that are sums; a part that is missing is nothing, unless all are."""
    by_key = {normalise(name): text for name, text in found.items()}
    sums: dict[str, str | None] = {}
    for column in header.columns:
        parts = [text for part in column.parts if (text := by_key.get(normalise(part))) is not None]
        if parts:
            try:
                sums[column.name] = str(sum(Decimal(part) for part in parts))
            except InvalidOperation:
                # no number either, so that the row is rejected
                sums[column.name] = " + ".join(parts)
    return sums


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written."""


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {name: _plain(inner) for name, inner in value}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
