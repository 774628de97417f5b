"""The text of a file on its way to COPY: lines are counted, and words that COPY accepts by mistake are found."""

import re
from functools import lru_cache

from ingestion.db import Readable
from ingestion.load.dates import SHORT_YEARS, Sight
from ingestion.load.dialect import Dialect
from ingestion.load.offsets import may_have_offsets
from ingestion.load.progress import OnChunk, ignore_progress
from ingestion.load.stream import CHUNK_BYTES

# PostgreSQL accepts these as timestamps and numbers, or as parts of them, and no device writes them as values
SPECIAL_MOMENTS = ("today", "tomorrow", "yesterday", "now", "epoch", "infinity")
_SPECIAL_WORDS = tuple(word.encode() for word in (*SPECIAL_MOMENTS, "nan", "inf", "0x", "0o", "0b", "_"))
# each of the words has one of these letters
_LETTERS = tuple(letter.encode() for letter in "nNoOyYxXbB_")
# longer than the longest word with quotes in it
_OVERLAP_BYTES = 64
# a longer line is judged
_MOST_LINE_BYTES = 1 << 16


class Content:
    """The text of a file, as a stream for COPY.

    `has_special_words` says whether a word such as `today` or `NaN` has passed, which PostgreSQL accepts as a value, or
    what the pattern of `skip` matches.
    `is_unquoted` says whether no quote and no backslash has passed, and `has_stray_quotes` whether there was a quote
    inside a field. `has_offsets` says whether a moment may have an offset from UTC, and `separators` counts the
    separators of dates. `has_short_years` says whether a date may have a year of one digit or of three. All are found
    only where rows are not judged.

    Arguments:
        source: the text in UTF-8.
        on_chunk: called with 0 bytes and the number of lines of each chunk.
        is_judged: each row is judged later, so that the text need not be searched, nor its lines counted.

    """

    def __init__(self, source: Readable, on_chunk: OnChunk = ignore_progress, *, is_judged: bool = False) -> None:
        self._source = source
        self._on_chunk = on_chunk
        self._is_judged = is_judged
        self._pending = b""
        self._last = b""
        self._newline = b"\n"
        self._newlines = 0
        self._tail = b""
        self._doubtful: re.Pattern[bytes] | None = None
        self._marks: tuple[bytes, ...] = (b"\\", b'"')
        self._sight: Sight | None = None
        self._watches_offsets = False
        self._separator = b""
        self._line = b""
        self._stray_quote = _stray_quote(b",", b'"')
        self.has_special_words = False
        self.has_stray_quotes = False
        self.is_unquoted = True
        self.has_offsets = False
        self.has_short_years = False
        self.separators = 0

    def peek(self) -> bytes:
        """Return the first bytes without consuming them: a whole chunk, unless the file is shorter."""
        while len(self._pending) < CHUNK_BYTES and (chunk := self._source.read(CHUNK_BYTES)):
            self._pending += chunk
        return self._pending

    def skip(self, count: int, dialect: Dialect, doubtful: re.Pattern[bytes] | None = None) -> None:
        """Skip the header, and start to count lines.

        Arguments:
            count: the length of the header in bytes, at most that of what `peek` returned.
            dialect: how the file is written.
            doubtful: matches what PostgreSQL must judge, from the last byte of a line end on; it sees whole lines.

        """
        self._pending = self._pending[count:]
        self._newline = dialect.newline[-1:]
        self._tail = self._newline
        self._doubtful = doubtful
        quote = dialect.quote.encode()
        self._marks = (b"\\", quote)
        self._stray_quote = _stray_quote(dialect.delimiter.encode(), quote)
        self.is_unquoted = self._has_no_mark(self._pending)

    def watch_dates(self, sight: Sight, separator: bytes, *, have_offsets: bool = False) -> None:
        """Gather dates, and count a separator, from here on.

        Arguments:
            sight: gathers the dates.
            separator: the separator.
            have_offsets: look for offsets from UTC, too.

        """
        self._sight = sight
        self._separator = separator
        self._watches_offsets = have_offsets

    def read(self, size: int) -> bytes:
        """Return the next bytes, b"" at the end.

        Arguments:
            size: the most bytes to return.

        """
        if self._pending:
            chunk, self._pending = self._pending[:size], self._pending[size:]
        else:
            chunk = self._source.read(size)
        if self._is_judged:
            return chunk
        if chunk:
            lines = chunk.count(self._newline)
            self._newlines += lines
            self._last = chunk[-1:]
            self._search(chunk)
            self._on_chunk(0, lines)
        else:
            if self._sight:
                self._sight.feed(self._line)
                self._look_for_short_years(self._tail + self._newline)
            self._look_for_doubtful(self._tail, len(self._tail))
        return chunk

    def _look_at_dates(self, sight: Sight, chunk: bytes) -> None:
        self.separators += chunk.count(self._separator)
        if not sight.is_sure:
            # whole lines, so that no date is cut
            text = self._line + chunk
            end = text.rfind(self._newline) + 1
            sight.feed(text[:end])
            self._line = text[end:]

    def _look_for_short_years(self, text: bytes) -> None:
        if not self.has_short_years and self._separator in SHORT_YEARS:
            self.has_short_years = SHORT_YEARS[self._separator].search(text) is not None

    def _look_for_doubtful(self, text: bytes, end: int) -> None:
        if self._doubtful and not self.has_special_words:
            self.has_special_words = self._doubtful.search(text, 0, end) is not None

    def _has_no_mark(self, chunk: bytes) -> bool:
        return not any(mark in chunk for mark in self._marks)

    def _search(self, chunk: bytes) -> None:
        self.is_unquoted = self.is_unquoted and self._has_no_mark(chunk)
        if self._sight:
            self._look_at_dates(self._sight, chunk)
        text = self._tail + chunk
        if self._sight:
            self._look_for_short_years(text)
        if self._watches_offsets and not self.has_offsets:
            # with these dates, the separators tell where an offset is west of UTC
            self.has_offsets = may_have_offsets(text, self._separator)
        if not self.is_unquoted:
            self.has_stray_quotes = self.has_stray_quotes or self._stray_quote.search(text) is not None
        end = text.rfind(self._newline)
        self._look_for_doubtful(text, max(end, 0))
        # the line that the chunk cuts off, so that it is looked at as a whole
        self._tail = text[min(max(end, 0), max(len(text) - _OVERLAP_BYTES, 0)) :]
        if len(self._tail) > _MOST_LINE_BYTES:
            self.has_special_words = True
            self._tail = text[-_OVERLAP_BYTES:]
        # letters are found ten times faster than line ends, and rows of numbers and dates have none of these
        if any(letter in text for letter in _LETTERS):
            text = text.replace(b'"', b"").lower()
            self.has_special_words = self.has_special_words or any(word in text for word in _SPECIAL_WORDS)

    @property
    def lines(self) -> int:
        """Lines read since `skip`, including a last one without a line end."""
        return self._newlines + (self._last not in {b"", self._newline})


@lru_cache(maxsize=64)
def _stray_quote(delimiter: bytes, quote: bytes) -> re.Pattern[bytes]:
    """Return a pattern of a quote inside a field, where COPY takes it for the beginning or end of a quoted part."""
    inside = rb"[^\r\n" + re.escape(delimiter) + re.escape(quote) + b"]"
    # the quote first: the engine looks for it much faster than for what stands before it
    return re.compile(re.escape(quote) + b"(?<=" + inside + re.escape(quote) + b")(?=" + inside + b")")
