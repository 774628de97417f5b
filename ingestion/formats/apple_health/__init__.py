"""Apple Health's export.xml.

The file is one list of records of all types, written by all devices of a participant. It has hundreds of megabytes,
and is read as a stream. docs/datasets.md describes the tables that are made of it.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath

from ingestion.db import Readable
from ingestion.formats.apple_health.measurements import BodyMass, HeartRate
from ingestion.formats.apple_health.records import read_records
from ingestion.formats.apple_health.sleep import SleepByDay
from ingestion.formats.apple_health.steps import StepsByDay, StepsByHour
from ingestion.formats.apple_health.table import Row, Table
from ingestion.formats.base import Chunks, TableFormat, Unpacked
from ingestion.formats.encoding import to_utf8
from ingestion.sources import EXTRA, Layout

# by the name that a device's declaration gives as `table`
TABLES: dict[str, type[Table]] = {
    "heart_rate": HeartRate,
    "body_mass": BodyMass,
    "steps_by_hour": StepsByHour,
    "steps_by_day": StepsByDay,
    "sleep_by_day": SleepByDay,
}

_ELEMENT = re.compile(rb"<([A-Za-z]\w*)[\s>]")
_ROWS_PER_CHUNK = 1_000


class AppleHealth(TableFormat):
    """One table of an export.

    Arguments:
        layout: the table, and the columns of the raw table that it fills.
        user_id: the participant.

    """

    suffixes = (".xml",)
    archive_entries = 50_000

    def __init__(self, layout: Layout, user_id: int) -> None:
        self._table = TABLES[layout.table]()
        self._columns = [column for column in layout.columns if column.name != "user_id"]
        self._user_id = user_id

    @classmethod
    def is_member(cls, name: str) -> bool:
        """Whether this is the file with the records; some telephones translate its name."""
        path = PurePosixPath(name)
        return path.suffix.lower() == ".xml" and not path.stem.endswith("_cda")

    @classmethod
    def begins(cls, beginning: bytes) -> bool:
        """Whether the root element is that of an export."""
        root = _ELEMENT.search(beginning)
        return root is not None and root[1] == b"HealthData"

    def read(self, file: Unpacked) -> Readable:
        """Return CSV with the raw table's columns and `_extra`."""
        return Chunks(self._csv(to_utf8(file.stream, "utf-8")))

    def _csv(self, stream: Readable) -> Iterator[bytes]:
        yield _csv([("user_id", *(column.name for column in self._columns), EXTRA)])
        table = self._table
        yield from self._rows(row for record in read_records(stream, table.record) for row in table.add(record))
        yield from self._rows(table.finish())

    def _rows(self, rows: Iterable[Row]) -> Iterator[bytes]:
        positions = {column: position for position, column in enumerate(self._table.columns)}
        order = [positions[column.header] for column in self._columns]
        chunk: list[Row] = []
        for row in rows:
            extra = row[len(positions)]
            chunk.append(
                (self._user_id, *[row[position] for position in order], _json(tuple(extra.items())) if extra else None)
            )
            if len(chunk) >= _ROWS_PER_CHUNK:
                yield _csv(chunk)
                chunk.clear()
        if chunk:
            yield _csv(chunk)


def _csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


@lru_cache(maxsize=256)
def _json(extra: tuple[tuple[str, str], ...]) -> str | None:
    kept = {name: value for name, value in extra if name and value}
    return json.dumps(kept, ensure_ascii=False) if kept else None
