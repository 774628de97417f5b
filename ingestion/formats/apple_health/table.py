"""The interface of a table that is made of an export's records, and what its implementations share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from ingestion.errors import FileRefusedError
from ingestion.formats.apple_health.records import MOMENT, Record

Row = tuple[Any, ...]

# hours with steps, or stages of sleep: more than a century of either
_MAX_IN_MEMORY = 1_000_000


class Table(ABC):
    """One table of the export."""

    # the type of its records
    record: str
    # the columns of a row; one more field, at the end, is the mapping for `_extra` or None
    columns: tuple[str, ...]

    @abstractmethod
    def add(self, record: Record) -> Iterable[Row]:
        """Add a record, and return the rows that are complete."""

    def finish(self) -> Iterable[Row]:
        """Return the remaining rows, after all records were added."""
        return ()


def offset_of(record: Record) -> int | None:
    """Return the offset of the clock of `local_time`, in minutes east of UTC; None without a valid begin."""
    text = record.values.get("startDate", "")
    if not record.metadata.get("HKTimeZone") and MOMENT.fullmatch(text):
        return minutes_east(text[20:])
    begin = record.begin
    return minutes_east(f"{begin:%z}") if begin else None


def minutes_east(offset: str) -> int:
    """Return an offset such as `-0500` in minutes."""
    size = int(offset[1:3]) * 60 + int(offset[3:5])
    return -size if offset[0] == "-" else size


def local_time(record: Record) -> str:
    """Return the local time at which a record begins, or a text that PostgreSQL rejects as a timestamp."""
    text = record.values.get("startDate", "")
    if not record.metadata.get("HKTimeZone") and MOMENT.fullmatch(text):
        return text[:19]
    begin = record.begin
    if begin:
        return f"{begin:%Y-%m-%d %H:%M:%S}"
    # PostgreSQL accepts the word `today`, for example
    return f"{' '.join(text.split())} (not a timestamp)" if text else ""


def rounded(counts: Mapping[str, float], unit: int) -> dict[str, str]:
    """Return each device's count in whole units, in the order of their names."""
    return {device: str(round(count / unit)) for device, count in sorted(counts.items())}


def check_memory(count: int) -> int:
    """Return the number of hours or stages in memory.

    Arguments:
        count: that number.

    Raises:
        FileRefusedError: it is above a million.

    """
    if count > _MAX_IN_MEMORY:
        raise FileRefusedError(
            f"the export has more than {_MAX_IN_MEMORY} hours of steps or stages of sleep",
            hint="Split it into smaller exports.",
        )
    return count
