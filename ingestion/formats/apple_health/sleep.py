"""Sleep by day.

Several devices may watch the same sleep. In each period, the device that saw most sleep counts, and only that one.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ingestion.formats.apple_health.records import Record
from ingestion.formats.apple_health.table import Row, Table, check_memory, local_time, rounded

_SLEEP = "HKCategoryValueSleepAnalysis"
_ASLEEP = {f"{_SLEEP}Asleep{stage}" for stage in ("", "Unspecified", "Core", "Deep", "REM")}
_IN_BED = {f"{_SLEEP}InBed", f"{_SLEEP}Awake"}
# a longer gap between stages ends the period of sleep
_MAX_GAP_SECONDS = 3600


@dataclass(frozen=True, order=True)
class _Stage:
    # seconds since 1970
    begin: float
    end: float
    day: str = field(compare=False)
    device: str = field(compare=False)
    is_asleep: bool = field(compare=False)


class SleepByDay(Table):
    """One row per day. A period of sleep belongs to the day on which it ends."""

    record = "HKCategoryTypeIdentifierSleepAnalysis"
    columns = ("day", "periods", "minutesAsleep", "minutesInBed")

    def __init__(self) -> None:
        self._stages: list[_Stage] = []

    def add(self, record: Record) -> Iterable[Row]:
        """Add a stage of sleep; return a row only where it is invalid."""
        begin, end = record.begin, record.end
        if begin is None or end is None or end < begin or record.value not in _ASLEEP | _IN_BED:
            return [(local_time(record), None, record, None, None)]
        check_memory(len(self._stages))
        is_asleep = record.value in _ASLEEP
        self._stages.append(_Stage(begin.timestamp(), end.timestamp(), f"{end:%Y-%m-%d}", record.device, is_asleep))
        return ()

    def finish(self) -> Iterable[Row]:
        """Yield the days, with each device's minutes asleep in `_extra`."""
        periods_by_day: dict[str, list[list[_Stage]]] = defaultdict(list)
        for period in _periods(self._stages):
            periods_by_day[max(period, key=lambda stage: stage.end).day].append(period)
        for day, periods in sorted(periods_by_day.items()):
            total_by_device: dict[str, float] = defaultdict(float)
            seconds: float | None = None
            for period in periods:
                by_device = _seconds_asleep_by_device(period)
                if by_device:
                    seconds = (seconds or 0) + max(by_device.values())
                for device, asleep in by_device.items():
                    total_by_device[device] += asleep
            in_bed = sum(_seconds_covered(period) for period in periods)
            minutes = None if seconds is None else round(seconds / 60)
            yield day, len(periods), minutes, round(in_bed / 60), rounded(total_by_device, 60)


def _periods(stages: list[_Stage]) -> Iterator[list[_Stage]]:
    """Yield the stages of each period of sleep."""
    period: list[_Stage] = []
    end = 0.0
    for stage in sorted(stages):
        if period and stage.begin - end > _MAX_GAP_SECONDS:
            yield period
            period = []
        end = max(end, stage.end) if period else stage.end
        period.append(stage)
    if period:
        yield period


def _seconds_asleep_by_device(period: list[_Stage]) -> dict[str, float]:
    stages: dict[str, list[_Stage]] = defaultdict(list)
    for stage in period:
        if stage.is_asleep:
            stages[stage.device].append(stage)
    return {device: _seconds_covered(its) for device, its in stages.items()}


def _seconds_covered(stages: list[_Stage]) -> float:
    """Return the number of seconds that lie in at least one of these stages, which are sorted."""
    seconds, until = 0.0, float("-inf")
    for stage in stages:
        seconds += max(0.0, stage.end - max(stage.begin, until))
        until = max(until, stage.end)
    return seconds
