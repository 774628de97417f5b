"""Sort the records of a file: certainly good, to be judged by PostgreSQL, or rejected for their form."""

import re
from collections import Counter, deque

from ingestion.load.checks import refuse_too_many
from ingestion.load.dates import Sight
from ingestion.load.header import Header
from ingestion.load.judge import numbered_line
from ingestion.load.parse import Record, RowReader
from ingestion.load.progress import OnChunk, ignore_progress
from ingestion.load.records import Records
from ingestion.load.sure_rows import SureRows
from ingestion.quarantine import RejectedRow
from ingestion.sources import Dataset

_HELD_BYTES = 8 << 20
# what a record takes besides its bytes
_RECORD_BYTES = 200


class Sorter:
    """Sorts the records of a file by what has to be done with them. It holds a few megabytes of them at most.

    Arguments:
        records: the records.
        header: the file's header.
        dataset: the file's dataset.
        pattern: matches lines that are certainly good as they are, None where no line is.
        sight: gathers the dates of these lines.
        is_rewritten: whether rows that are certainly good have to be rewritten for COPY.
        on_chunk: called with 0 bytes and the number of records of each chunk.

    """

    def __init__(
        self,
        records: Records,
        header: Header,
        dataset: Dataset,
        pattern: re.Pattern[bytes] | None,
        sight: Sight,
        *,
        is_rewritten: bool = False,
        on_chunk: OnChunk = ignore_progress,
    ) -> None:
        self._records = records
        self._header = header
        self._dataset = dataset
        self.reader = RowReader(header, dataset.key, dataset.moment)
        self.rewriter = SureRows(dataset, header, self.reader) if is_rewritten else None
        self._patterns = self.rewriter.patterns if self.rewriter else (pattern,) if pattern else ()
        self.has_certain = bool(self._patterns or self.rewriter)
        self._sight = sight
        self._held_lines: deque[bytes] = deque()
        self._rejected: list[RejectedRow] = []
        self._held_bytes = 0
        self.faults: Counter[str] = Counter()
        self._is_read = False
        self.certain_rows = 0
        self.judged_rows = 0
        self.blank_rows = 0
        self._other_rows = 0
        self._on_chunk = on_chunk
        self._reported_rows = 0

    @property
    def is_done(self) -> bool:
        """Whether the file has been read to its end, and no record is held."""
        return self._is_read and not self._held_lines

    @property
    def has_others(self) -> bool:
        """Whether records are held, or may still be read, that are not certainly good."""
        return bool(self._held_lines) or not self.has_certain

    @property
    def read_rows(self) -> int:
        """The number of records read so far."""
        return self.certain_rows + self._other_rows

    def certain(self, size: int) -> bytes:
        """Return lines that are certainly good, and hold the other records; b"" at the end or when enough are held.

        The others are made ready for the judge here: a thread may call this while PostgreSQL works.

        Arguments:
            size: how many bytes to return, roughly.

        """
        lines: list[bytes] = []
        length = 0
        while length < size and self.has_certain and not self._is_read and self._held_bytes < _HELD_BYTES:
            run = self._run() or self._single()
            length += len(run)
            lines.append(run)
        self._report()
        return b"".join(lines)

    def to_judge(self, size: int) -> bytes:
        """Return other records of good form, as lines for the judge; b"" when none are left or enough are rejected.

        Arguments:
            size: how many bytes to return, roughly.

        """
        lines: list[bytes] = []
        length = 0
        while length < size and (line := self._next_to_judge()) is not None:
            length += len(line)
            lines.append(line)
        self._report()
        return b"".join(lines)

    def take_rejected(self) -> list[RejectedRow]:
        """Return the records whose form is bad, and stop holding them."""
        rejected, self._rejected = self._rejected, []
        self._held_bytes = 0
        return rejected

    def _report(self) -> None:
        self._on_chunk(0, self.read_rows - self._reported_rows)
        self._reported_rows = self.read_rows

    def _next_to_judge(self) -> bytes | None:
        """Return the next line for the judge, b"" where the next record gives none, None where no more are to come."""
        if self.has_certain:
            return self._held_lines.popleft() if self._held_lines else None
        record = self._next() if self._held_bytes < _HELD_BYTES and not self._is_read else None
        return self._line_to_judge(record) if record else None

    def _line_to_judge(self, record: Record) -> bytes:
        """Return a record as a line for the judge, b"" where it is blank or its form is bad."""
        text, reason = self.reader.read(record)
        if self._header.layout.drop_extra:
            record = self.reader.declared(record)
        if reason:
            self._reject(RejectedRow(record.line, reason, record.raw))
            return b""
        if text is None:
            self.blank_rows += 1
            return b""
        self.judged_rows += 1
        return numbered_line(record, text, self._header.dialect).encode()

    def _run(self) -> bytes:
        """Return the next lines for COPY, b"" where a record has to be looked at alone."""
        run, count = b"", 0
        for pattern in self._patterns:
            run, count = self._records.run(pattern)
            if count:
                break
        if count and self.rewriter:
            lines = self.rewriter.rewrite(run, self._records.line - count + 1)
            if lines is None:
                self._records.put_back(run)
                return b""
            run = lines
        elif count:
            self._sight.feed(run)
        self.certain_rows += count
        return run

    def _single(self) -> bytes:
        """Return the next record as a line for COPY; or b"", and hold it as a line for the judge."""
        record = self._next()
        if record is None:
            return b""
        line = self.rewriter.rewrite_record(record) if self.rewriter else None
        if line is not None:
            self.certain_rows += 1
            self._other_rows -= 1
            return line
        if to_judge := self._line_to_judge(record):
            self._held_lines.append(to_judge)
            self._held_bytes += len(to_judge) + _RECORD_BYTES
        return b""

    def _next(self) -> Record | None:
        # a file may have millions of them
        while blank := self._records.skip_blank():
            self.blank_rows += blank
            self._other_rows += blank
        record = self._records.next()
        if record is None:
            self._is_read = True
        else:
            self._other_rows += 1
        return record

    def _reject(self, row: RejectedRow) -> None:
        self._rejected.append(row)
        self._held_bytes += len(row.raw) + _RECORD_BYTES
        self.faults[row.reason] += 1
        if self.faults.total() > self._dataset.max_rejected_rows:
            refuse_too_many(self._dataset, self.read_rows, self.faults)
