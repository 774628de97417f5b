"""Sort the records of a file: certainly good, to be judged by PostgreSQL, or rejected for their form."""

import re
from collections import Counter, deque

from ingestion.load.checks import refuse_too_many
from ingestion.load.dates import Sight
from ingestion.load.header import Header
from ingestion.load.judge import numbered_line
from ingestion.load.parse import Record, RowReader
from ingestion.load.records import Records
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
        pattern: matches lines that are certainly good, None where no line is.
        sight: gathers the dates of these lines.

    """

    def __init__(
        self, records: Records, header: Header, dataset: Dataset, pattern: re.Pattern[bytes] | None, sight: Sight
    ) -> None:
        self._records = records
        self._header = header
        self._dataset = dataset
        self._pattern = pattern
        self.reader = RowReader(header, dataset.key, dataset.moment)
        self._sight = sight
        self._held_records: deque[Record] = deque()
        self._rejected: list[RejectedRow] = []
        self._held_bytes = 0
        self.faults: Counter[str] = Counter()
        self._is_read = False
        self.certain_rows = 0
        self.judged_rows = 0
        self.blank_rows = 0
        self._other_rows = 0

    @property
    def is_done(self) -> bool:
        """Whether the file has been read to its end, and no record is held."""
        return self._is_read and not self._held_records

    @property
    def read_rows(self) -> int:
        """The number of records read so far."""
        return self.certain_rows + self._other_rows

    def certain(self, size: int) -> bytes:
        """Return lines that are certainly good, and hold the other records; b"" at the end or when enough are held.

        Arguments:
            size: how many bytes to return, roughly.

        """
        lines: list[bytes] = []
        length = 0
        while length < size and self._pattern and not self._is_read and self._held_bytes < _HELD_BYTES:
            run, count = self._records.run(self._pattern)
            if count:
                self.certain_rows += count
                length += len(run)
                lines.append(run)
                self._sight.feed(run)
                continue
            record = self._next()
            if record:
                self._held_records.append(record)
                self._held_bytes += len(record.raw) + _RECORD_BYTES
        return b"".join(lines)

    def to_judge(self, size: int) -> bytes:
        """Return other records of good form, as lines for the judge; b"" when none are left or enough are rejected.

        Arguments:
            size: how many characters to return, roughly.

        """
        lines: list[str] = []
        length = 0
        while length < size and (record := self._next_other()):
            text, reason = self.reader.read(record)
            if self._header.layout.drop_extra:
                record = self.reader.declared(record)
            if reason:
                self._reject(RejectedRow(record.line, reason, record.raw))
                continue
            if text is None:
                self.blank_rows += 1
                continue
            self.judged_rows += 1
            line = numbered_line(record, text, self._header.dialect)
            length += len(line)
            lines.append(line)
        return "".join(lines).encode()

    def take_rejected(self) -> list[RejectedRow]:
        """Return the records whose form is bad, and stop holding them."""
        rejected, self._rejected = self._rejected, []
        self._held_bytes = 0
        return rejected

    def _next_other(self) -> Record | None:
        if self._pattern:
            return self._held_records.popleft() if self._held_records else None
        return self._next() if self._held_bytes < _HELD_BYTES and not self._is_read else None

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
