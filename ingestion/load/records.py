"""The records of a file, with their line numbers."""

import csv
import re

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.load.fields import split
from ingestion.load.header import Header
from ingestion.load.parse import Record
from ingestion.load.stream import CHUNK_BYTES

MAX_LINE_BYTES = 16 << 20
# an open quote is taken for an error where no quote closes it within this many lines
_MAX_QUOTED_LINES = 100

csv.field_size_limit(MAX_LINE_BYTES)


class Records:
    """The records of a file: one line each, or several where a quoted field holds line ends.

    Arguments:
        content: the text after the header.
        header: the file's header.

    """

    def __init__(self, content: Readable, header: Header) -> None:
        self._content = content
        self._dialect = header.dialect
        self._newline = header.dialect.newline[-1:]
        spaces = b" \t\v\f\r".replace(self._newline, b"")
        self._blank = re.compile(b"(?:[" + spaces + b"]*+" + self._newline + b")*+")
        self._quote = header.dialect.quote.encode()
        self._field_count = len(header.names) + self._dialect.has_trailing_delimiter
        self._buffer = b""
        self._position = 0
        self._back: list[bytes] = []
        self._line = header.line

    def run(self, pattern: re.Pattern[bytes]) -> tuple[bytes, int]:
        """Return the lines that match a pattern from here on, as far as they are in memory.

        Arguments:
            pattern: matches any number of whole lines, with their line ends.

        Returns:
            The lines as they are, and their number; b"" and 0 where the next record does not match.

        """
        while not self._back:
            match = pattern.match(self._buffer, self._position)
            end = match.end() if match else self._position
            if end - self._position > MAX_LINE_BYTES:
                # `next` refuses a line that is too long
                break
            if end > self._position:
                lines = self._buffer[self._position : end]
                self._position = end
                count = lines.count(self._newline)
                self._line += count
                return lines, count
            is_whole = self._buffer.find(self._newline, self._position) >= 0
            if is_whole or len(self._buffer) - self._position > MAX_LINE_BYTES or not self._fill():
                break
        return b"", 0

    def put_back(self, lines: bytes) -> None:
        """Put back lines that `run` has returned: `next` returns each of them.

        Arguments:
            lines: what the last call of `run` returned.

        """
        each = [line.rstrip(b"\r") for line in lines.split(self._newline)[:-1]]
        self._back.extend(reversed(each))
        self._line -= len(each)

    @property
    def line(self) -> int:
        """The number of the line that was read last."""
        return self._line

    def skip_blank(self) -> int:
        """Skip blank lines from here on, as far as they are in memory, and return their number."""
        match = None if self._back else self._blank.match(self._buffer, self._position)
        if match is None or match.end() == self._position:
            return 0
        count = self._buffer.count(self._newline, self._position, match.end())
        self._position = match.end()
        self._line += count
        return count

    def next(self) -> Record | None:
        """Return the next record, or None at the end.

        Raises:
            FileRefusedError: a line is longer than 16 MiB.

        """
        line = self._next_line()
        if line is None:
            return None
        number = self._line
        if self._dialect.format == "csv" and self._quote in line and self._is_open(line):
            line = self._with_quoted_lines(line)
        return Record(number, line)

    def _with_quoted_lines(self, line: bytes) -> bytes:
        """Join a line whose last field is open with the lines up to its end.

        Return it alone where they are no record of this file, or where one of them is a record of its own: lines below
        an open quote are not lost.
        """
        parts = [line]
        while len(parts) <= _MAX_QUOTED_LINES and (following := self._next_line()) is not None:
            parts.append(following)
            if following.count(self._quote) % 2 == 0 and self._fields(following) is not None:
                break
            whole = self._newline.join(parts)
            if self._quote in following and (values := self._fields(whole)) is not None:
                if any(self._has_record(value) for value in values):
                    break
                return whole
        self._back.extend(reversed(parts[1:]))
        self._line -= len(parts) - 1
        return line

    def _has_record(self, value: str) -> bool:
        """Whether a field of several lines has as many delimiters below its first line as a record."""
        return "".join(value.splitlines()[1:]).count(self._dialect.delimiter) >= self._field_count - 1

    def _is_open(self, line: bytes) -> bool:
        return split(line.decode(errors="replace"), self._dialect)[1] == "unclosed_quote"

    def _fields(self, text: bytes) -> list[str] | None:
        """Return the fields of a whole record, None where this is none."""
        values, _ = split(text.decode(errors="replace"), self._dialect)
        return values if values is not None and len(values) == self._field_count else None

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
            f"the line is longer than {MAX_LINE_BYTES >> 20} MiB",
            hint="Export the file again: a row has no such length.",
            line=self._line + 1,
        )

    def _fill(self) -> bool:
        chunk = self._content.read(CHUNK_BYTES)
        if not chunk:
            return False
        self._buffer = self._buffer[self._position :] + chunk
        self._position = 0
        return True
