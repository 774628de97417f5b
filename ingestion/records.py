"""A file as a stream of bytes that is hashed as it passes, and as records with their line numbers."""

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ingestion.errors import FileRefusedError
from ingestion.progress import OnChunk, unwatched
from ingestion.quarantine import Reason

CHUNK_BYTES = 1 << 18
MAX_LINE_BYTES = 16 << 20
# how far a quoted field may run on over line ends before its quote counts as never closed
_MAX_QUOTED_LINES = 100
_QUOTED = re.compile(r'"[^"]*"')


class HashedStream(io.RawIOBase):
    """Bytes on their way to COPY, hashed and counted as they pass.

    Arguments:
        raw: where they come from; closed with this stream.
        on_chunk: called with the bytes and the lines of each chunk.

    """

    def __init__(self, raw: BinaryIO, on_chunk: OnChunk = unwatched) -> None:
        self._raw = raw
        self._on_chunk = on_chunk
        self._digest = hashlib.sha256()
        self._pending = b""
        self._last = b""
        self._newline = b"\n"
        self._newlines = 0
        self.size = 0

    def peek(self) -> bytes:
        """Return the first bytes without taking them."""
        if not self._pending:
            self._pending = self._fetch(CHUNK_BYTES)
        return self._pending

    def skip(self, count: int, newline: bytes) -> None:
        """Leave the header behind and begin to count lines.

        Arguments:
            count: the header's length, at most what `peek` returned.
            newline: what ends a line.

        """
        self._pending = self._pending[count:]
        self._newline = newline

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, b"" at the end.

        Arguments:
            size: the most to return.

        """
        chunk, self._pending = (
            (self._pending[:size], self._pending[size:]) if self._pending else (self._fetch(size), b"")
        )
        if chunk:
            lines = chunk.count(self._newline)
            self._newlines += lines
            self._last = chunk[-1:]
            self._on_chunk(len(chunk), lines)
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
    def lines(self) -> int:
        """Lines read since `skip`, one without a line end at the end included."""
        return self._newlines + (self._last not in {b"", self._newline})

    @property
    def checksum(self) -> str:
        """SHA-256 of all that was read, in hexadecimal."""
        return self._digest.hexdigest()

    def _fetch(self, size: int) -> bytes:
        chunk = self._raw.read(size)
        self._digest.update(chunk)
        self.size += len(chunk)
        return chunk


@dataclass(frozen=True)
class Record:
    """One row of a file, not yet understood.

    Arguments:
        line: the physical line it begins on, the header being line 1.
        raw: its bytes, without the line end.

    """

    line: int
    raw: bytes


def records(stream: HashedStream, newline: bytes, field_count: int) -> Iterator[Record]:
    """Cut a stream into records: a line each, or several where a quoted field holds line ends.

    Arguments:
        stream: behind the header.
        newline: what ends a line.
        field_count: how many fields the header has.

    Raises:
        FileRefusedError: a line is longer than any row can be.

    """
    lines = _Lines(stream, newline)
    while (line := lines.next()) is not None:
        number = lines.number
        if line.count(b'"') % 2:
            line = _with_quoted_lines(line, lines, newline, field_count)
        yield Record(number, line)


def _with_quoted_lines(line: bytes, lines: "_Lines", newline: bytes, field_count: int) -> bytes:
    """Return the record that an open quote makes of this line and the next ones; the line alone where none fits."""
    parts = [line]
    while len(parts) <= _MAX_QUOTED_LINES and (following := lines.next()) is not None:
        parts.append(following)
        if following.count(b'"') % 2:
            whole = newline.join(parts)
            if _count_fields(whole.decode(errors="replace")) == field_count:
                return whole
            break
    lines.put_back(parts[1:])
    return line


class _Lines:
    """The lines of a stream, numbered from 2 behind the header; some can be put back."""

    def __init__(self, stream: HashedStream, newline: bytes) -> None:
        self._lines = _split(stream, newline)
        self._back: list[bytes] = []
        self.number = 1

    def next(self) -> bytes | None:
        line = self._back.pop() if self._back else next(self._lines, None)
        if line is not None:
            self.number += 1
        return line

    def put_back(self, lines: list[bytes]) -> None:
        self._back.extend(reversed(lines))
        self.number -= len(lines)


def _split(stream: HashedStream, newline: bytes) -> Iterator[bytes]:
    rest = b""
    number = 1
    while chunk := stream.read(CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(newline)
        # only a line begun in an earlier chunk can be that long
        if len(lines[0] if lines else rest) > MAX_LINE_BYTES:
            raise FileRefusedError(
                f"the line is longer than {MAX_LINE_BYTES >> 20} MiB", hint="Export the file again.", line=number + 1
            )
        for line in lines:
            yield line.rstrip(b"\r")
        number += len(lines)
    if rest:
        yield rest.rstrip(b"\r")


def parse(record: Record, field_count: int) -> tuple[str, None] | tuple[None, Reason]:
    """Check the form of a record.

    Arguments:
        record: not blank.
        field_count: how many fields the header has.

    Returns:
        The record as text that COPY can take, or the reason to reject it.

    """
    if b"\x00" in record.raw:
        return None, "nul_byte"
    try:
        text = record.raw.decode()
    except UnicodeDecodeError:
        return None, "undecodable"
    if text.count('"') % 2:
        return None, "unclosed_quote"
    found = _count_fields(text)
    if found is None:
        return None, "stray_carriage_return"
    if found != field_count:
        return None, "too_few_fields" if found < field_count else "too_many_fields"
    return text, None


def _count_fields(text: str) -> int | None:
    """Return the number of fields, or None where a line end stands outside quotes.

    As COPY sees it: a quote opens and closes anywhere. Inside a field Python's csv takes it for a character.
    """
    unquoted = _QUOTED.sub("", text) if '"' in text else text
    return None if "\r" in unquoted or "\n" in unquoted else unquoted.count(",") + 1
