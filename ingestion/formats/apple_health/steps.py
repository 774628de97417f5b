"""Steps by hour and by day.

Several devices may count the same steps. In each hour, the device that counted most counts, and only that one.
"""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone

from ingestion.formats.apple_health.records import MOMENT, Record
from ingestion.formats.apple_health.table import (
    Row,
    Table,
    check_memory,
    local_time,
    minutes_east,
    offset_of,
    rounded,
)

# shares of steps are whole millionths, so that a sum does not depend on the order of records
_PARTS = 1_000_000


class _Steps(Table):
    record = "HKQuantityTypeIdentifierStepCount"

    def __init__(self) -> None:
        # millionths of steps, by device and by hour such as `2026-03-01 10 +0100`
        self._by_device: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._hours = 0

    def add(self, record: Record) -> Iterable[Row]:
        number, shares = record.number("count"), _shares_by_hour(record)
        if number is None or shares is None:
            return [self._invalid(record)]
        hours = self._by_device[record.device]
        before = len(hours)
        for hour, share in shares:
            hours[hour] += round(number * share * _PARTS)
            self._hours = check_memory(self._hours + len(hours) - before)
            before = len(hours)
        return ()

    @abstractmethod
    def _invalid(self, record: Record) -> Row:
        """Return a row that the load rejects."""

    def _counts_by_hour(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield each hour with steps, with each device's count."""
        for hour in sorted({hour for hours in self._by_device.values() for hour in hours}):
            yield hour, {device: hours[hour] for device, hours in self._by_device.items() if hour in hours}


class StepsByHour(_Steps):
    """One row per hour."""

    columns = ("hour", "offset", "steps")

    def finish(self) -> Iterable[Row]:
        """Yield the hours, with each device's count in `_extra`."""
        for hour, counts in self._counts_by_hour():
            steps = round(max(counts.values()) / _PARTS)
            yield f"{hour[:13]}:00:00", minutes_east(hour[14:]), steps, rounded(counts, _PARTS)

    def _invalid(self, record: Record) -> Row:
        return local_time(record), offset_of(record), record, None


class StepsByDay(_Steps):
    """One row per day: the sum of its hours."""

    columns = ("day", "steps")

    def finish(self) -> Iterable[Row]:
        """Yield the days, with each device's count in `_extra`."""
        days: dict[str, int] = defaultdict(int)
        by_device: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for hour, counts in self._counts_by_hour():
            days[hour[:10]] += max(counts.values())
            for device, count in counts.items():
                by_device[hour[:10]][device] += count
        for day, steps in days.items():
            yield day, round(steps / _PARTS), rounded(by_device[day], _PARTS)

    def _invalid(self, record: Record) -> Row:
        return local_time(record), record, None


def _shares_by_hour(record: Record) -> Iterable[tuple[str, float]] | None:
    """Return the hours that a record spans, with the share (0 to 1) in each; None without a valid begin and end."""
    first, last = record.values.get("startDate", ""), record.values.get("endDate", "")
    # most records lie in one hour, and this is 20 times as fast
    if first[:13] == last[:13] and first[19:] == last[19:] and first <= last and not record.metadata.get("HKTimeZone"):
        return ((first[:13] + first[19:], 1.0),) if MOMENT.fullmatch(first) and MOMENT.fullmatch(last) else None
    begin, end = record.begin, record.end
    return None if begin is None or end is None or end < begin else _shares(begin, end)


def _shares(begin: datetime, end: datetime) -> Iterator[tuple[str, float]]:
    # the hours are those of the clock at the beginning, even if clocks change in between
    clock = timezone(begin.utcoffset() or timedelta())
    begin, end = begin.astimezone(clock), end.astimezone(clock)
    seconds = (end - begin).total_seconds()
    while True:
        following = begin.replace(minute=0, second=0) + timedelta(hours=1)
        share = (min(following, end) - begin).total_seconds() / seconds if seconds else 1.0
        yield f"{begin:%Y-%m-%d %H %z}", share
        if following >= end:
            return
        begin = following
