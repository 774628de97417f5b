"""Apple Health's export.xml, read as the tables that it does not have.

The file is one list of records, of all kinds and of every device that a person has: hundreds of megabytes, read as a
stream. Expat reads it without what stands before its root: there is no document type, hence no entity to be expanded,
and Apple's own, which some versions write wrongly, does no harm. What the tables mean is in docs/sources.md.
"""

import csv
import io
import json
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from pathlib import PurePosixPath
from typing import Any
from xml.parsers import expat
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.sources import EXTRA, Layout

_CHUNK_BYTES = 1 << 18
_ROWS_PER_CHUNK = 1_000
_ROOT = "HealthData"
# how much may stand before the root, and how long anything may be; Apple's document type has 10 kB
_MAX_HEAD_BYTES = 1 << 20
_MAX_TOKEN_BYTES = 16 << 20
# hours with steps, or stages of sleep: more than a century of either
_MAX_HELD = 1_000_000
# found in exports, and allowed in no XML
_CONTROL_CHARACTERS = bytes(set(range(32)) - set(b"\t\n\r"))
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}")
# shares of steps are whole numbers of these, so that their sum does not depend on the order of records
_PARTS = 1_000_000
_KILOGRAMS = {"kg": 1.0, "g": 0.001, "lb": 0.45359237, "oz": 0.028349523125, "st": 6.35029318}
_SLEEP = "HKCategoryValueSleepAnalysis"
_ASLEEP = {f"{_SLEEP}Asleep{stage}" for stage in ("", "Unspecified", "Core", "Deep", "REM")}
_IN_BED = {f"{_SLEEP}InBed", f"{_SLEEP}Awake"}
# as long as this one may be up without the night being over
_UP_SECONDS = 3600

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Record:
    """One record of the export.

    Arguments:
        values: its attributes.
        metadata: what devices and programs have added.

    """

    values: Mapping[str, str]
    metadata: Mapping[str, str]

    @property
    def source(self) -> str:
        """The device or the program that made it."""
        return self.values.get("sourceName", "")

    @property
    def value(self) -> str:
        """Its value, as it is written."""
        return self.values.get("value", "")

    @property
    def unit(self) -> str:
        """The unit of its value."""
        return self.values.get("unit", "")

    @property
    def begin(self) -> datetime | None:
        """When it began, None where that cannot be read."""
        return self._moment("startDate")

    @property
    def end(self) -> datetime | None:
        """When it ended, None where that cannot be read."""
        return self._moment("endDate")

    def _moment(self, name: str) -> datetime | None:
        """Return a moment in the time zone of the device, as far as that is known."""
        text = self.values.get(name, "")
        if not _MOMENT.fullmatch(text):
            return None
        try:
            moment = datetime.fromisoformat(f"{text[:19]}{text[20:]}")
        except ValueError:
            return None
        zone = _zone(self.metadata.get("HKTimeZone", ""))
        return moment.astimezone(zone) if zone else moment

    def number(self, *units: str) -> float | None:
        """Return its value where it is a number in one of these units, and not negative."""
        try:
            number = float(self.value)
        except ValueError:
            return None
        return number if self.unit in units and 0 <= number < float("inf") else None

    def __str__(self) -> str:
        """All that matters of it, which is no number and no date, for a row that is to be rejected."""
        parts = (self.value or "no value", self.unit, self.values.get("startDate"), self.values.get("endDate"))
        return " ".join(" ".join(filter(None, parts)).split())


class Table(ABC):
    """One table that records are made into."""

    # the kind of record, and the names of the columns
    record: str
    columns: tuple[str, ...]

    @abstractmethod
    def take(self, record: Record) -> Iterable[Row]:
        """Take a record, and return rows that are complete; the last field is for `_extra`."""

    def finish(self) -> Iterable[Row]:
        """Return the other rows, once all records are taken."""
        return ()


class HeartRate(Table):
    """A row a record."""

    record = "HKQuantityTypeIdentifierHeartRate"
    columns = ("startDate", "value")

    def take(self, record: Record) -> Iterable[Row]:
        number = record.number("count/min")
        yield _at(record), record if number is None else round(number), {"sourceName": record.source}


class BodyMass(Table):
    """A row a record."""

    record = "HKQuantityTypeIdentifierBodyMass"
    columns = ("startDate", "kilograms", "HKWasUserEntered")

    def take(self, record: Record) -> Iterable[Row]:
        number = record.number(*_KILOGRAMS)
        kilograms = record if number is None else round(number * _KILOGRAMS[record.unit], 4)
        typed = {"1": "true", "0": "false"}.get(record.metadata.get("HKWasUserEntered", ""))
        extra = {"sourceName": record.source, "value": record.value, "unit": record.unit}
        yield _at(record), kilograms, typed, extra


class _Steps(Table):
    record = "HKQuantityTypeIdentifierStepCount"

    def __init__(self) -> None:
        self._by_source: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._held = 0

    def take(self, record: Record) -> Iterable[Row]:
        number, shares = record.number("count"), _hours(record)
        if number is None or shares is None:
            return [(_at(record), record, None)]
        hours = self._by_source[record.source]
        before = len(hours)
        for hour, share in shares:
            hours[hour] += round(number * share * _PARTS)
            self._held = _hold(self._held + len(hours) - before)
            before = len(hours)
        return ()

    def _each_hour(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield each hour in which anything was counted, with what each source has."""
        for hour in sorted({hour for hours in self._by_source.values() for hour in hours}):
            yield hour, {source: hours[hour] for source, hours in self._by_source.items() if hour in hours}


class StepsByHour(_Steps):
    """A row an hour: of devices that count the same steps, the one that has counted most."""

    columns = ("hour", "steps")

    def finish(self) -> Iterable[Row]:
        for hour, counts in self._each_hour():
            yield f"{hour}:00:00", _whole(max(counts.values())), _by_name(counts, _PARTS)


class StepsByDay(_Steps):
    """A row a day: the sum of its hours."""

    columns = ("day", "steps")

    def finish(self) -> Iterable[Row]:
        days: dict[str, int] = defaultdict(int)
        counted: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for hour, counts in self._each_hour():
            days[hour[:10]] += max(counts.values())
            for source, count in counts.items():
                counted[hour[:10]][source] += count
        for day, steps in days.items():
            yield day, _whole(steps), _by_name(counted[day], _PARTS)


@dataclass(frozen=True, order=True)
class _Stage:
    begin: float
    end: float
    day: str = field(compare=False)
    source: str = field(compare=False)
    is_asleep: bool = field(compare=False)


class SleepByDay(Table):
    """A row a day of waking: of devices that watch the same sleep, the one that has seen most of it."""

    record = "HKCategoryTypeIdentifierSleepAnalysis"
    columns = ("day", "periods", "minutesAsleep", "minutesInBed")

    def __init__(self) -> None:
        self._stages: list[_Stage] = []

    def take(self, record: Record) -> Iterable[Row]:
        begin, end = record.begin, record.end
        if begin is None or end is None or end < begin or record.value not in _ASLEEP | _IN_BED:
            return [(_at(record), None, record, None, None)]
        _hold(len(self._stages))
        is_asleep = record.value in _ASLEEP
        self._stages.append(_Stage(begin.timestamp(), end.timestamp(), f"{end:%Y-%m-%d}", record.source, is_asleep))
        return ()

    def finish(self) -> Iterable[Row]:
        days: dict[str, list[list[_Stage]]] = defaultdict(list)
        for period in _periods(self._stages):
            days[max(period, key=lambda stage: stage.end).day].append(period)
        for day, periods in sorted(days.items()):
            asleep: dict[str, float] = defaultdict(float)
            seconds: float | None = None
            for period in periods:
                by_dataset = _asleep_by_source(period)
                if by_dataset:
                    seconds = (seconds or 0) + max(by_dataset.values())
                for source, slept in by_dataset.items():
                    asleep[source] += slept
            in_bed = sum(_covered(period) for period in periods)
            minutes = None if seconds is None else round(seconds / 60)
            yield day, len(periods), minutes, round(in_bed / 60), _by_name(asleep, 60)


TABLES: dict[str, type[Table]] = {
    "heart_rate": HeartRate,
    "body_mass": BodyMass,
    "steps_by_hour": StepsByHour,
    "steps_by_day": StepsByDay,
    "sleep_by_day": SleepByDay,
}


@dataclass(frozen=True)
class Export:
    """One table of an export, as a file of its own would have it.

    Arguments:
        layout: which table, and which columns of the raw table it fills.
        user_id: whose export it is.

    """

    layout: Layout
    user_id: int

    def is_member(self, name: str) -> bool:
        """Tell the file with the records from the others of the archive; its name is translated on some telephones."""
        path = PurePosixPath(name)
        return path.suffix.lower() == ".xml" and not path.stem.endswith("_cda")

    def rows(self, stream: Readable) -> Iterator[bytes]:
        """Yield CSV in UTF-8: the raw table's columns, and `_extra`.

        Arguments:
            stream: UTF-8.

        Raises:
            FileRefusedError: it is no such export, or is cut off.

        """
        table = TABLES[self.layout.table]()
        places = {column: place for place, column in enumerate(table.columns)}
        columns = [column for column in self.layout.columns if column.name != "user_id"]
        order = [*(places[column.header] for column in columns), len(table.columns)]
        yield _csv([("user_id", *(column.name for column in columns), EXTRA)])
        write = partial(_as_csv, order=order, user_id=self.user_id)
        yield from write(row for record in _records(stream, table.record) for row in table.take(record))
        yield from write(table.finish())


def _records(stream: Readable, kind: str) -> Iterator[Record]:
    found: list[Record] = []
    reader = _Reader(kind, found.append)
    for chunk in _from_root(stream):
        reader.feed(chunk)
        yield from found
        found.clear()
    reader.close()
    yield from found


class _Reader:
    """Takes the records of one kind out of an export."""

    def __init__(self, kind: str, take: Callable[[Record], None]) -> None:
        self._kind = kind
        self._take = take
        self._depth = 0
        self._fed = 0
        self._record: dict[str, str] | None = None
        self._metadata: dict[str, str] = {}
        self._parser = expat.ParserCreate("utf-8")
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.Parse(chunk)
        except expat.ExpatError as exc:
            raise FileRefusedError("it is no XML from here on", hint="Export it again.", line=exc.lineno) from exc
        self._fed += len(chunk)
        if self._fed - self._parser.CurrentByteIndex > _MAX_TOKEN_BYTES:
            raise FileRefusedError(f"a record is longer than {_MAX_TOKEN_BYTES >> 20} MiB", hint="Export it again.")

    def close(self) -> None:
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError as exc:
            raise FileRefusedError("the export ends too early", hint="Copy or export it again.") from exc

    def _begin(self, name: str, values: dict[str, str]) -> None:
        # a record inside a correlation stands at the top, too
        if self._depth == 1 and name == "Record" and values.get("type") == self._kind:
            self._record = values
            self._metadata = {}
        elif self._record is not None and name == "MetadataEntry":
            self._metadata[values.get("key", "")] = values.get("value", "")
        self._depth += 1

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._depth == 1 and self._record is not None:
            self._take(Record(self._record, self._metadata))
            self._record = None


def _from_root(stream: Readable) -> Iterator[bytes]:
    """Yield the export from its root on, line ends before it kept for the numbers of lines."""
    head = b""
    root = f"<{_ROOT}".encode()
    while root not in head:
        chunk = stream.read(_CHUNK_BYTES)
        if not chunk or len(head) > _MAX_HEAD_BYTES:
            raise FileRefusedError(
                "it is no export of Apple Health", hint="Share it again from the Health app: Export All Health Data."
            )
        head += chunk
    begin = head.index(root)
    yield b"\n" * head.count(b"\n", 0, begin)
    chunk = head[begin:]
    while chunk:
        yield chunk.translate(None, _CONTROL_CHARACTERS)
        chunk = stream.read(_CHUNK_BYTES)


def _as_csv(rows: Iterable[Row], order: list[int], user_id: int) -> Iterator[bytes]:
    held: list[Row] = []
    for row in rows:
        *_, extra = values = [row[place] for place in order]
        held.append((user_id, *values[:-1], _json(tuple(extra.items())) if extra else None))
        if len(held) >= _ROWS_PER_CHUNK:
            yield _csv(held)
            held.clear()
    if held:
        yield _csv(held)


def _csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _at(record: Record) -> str:
    """Return the local time at which a record begins, or what stands in its place."""
    text = record.values.get("startDate", "")
    if not record.metadata.get("HKTimeZone") and _MOMENT.fullmatch(text):
        return text[:19]
    begin = record.begin
    if begin:
        return f"{begin:%Y-%m-%d %H:%M:%S}"
    # PostgreSQL would take `today`
    return f"{' '.join(text.split())}, which is no moment" if text else ""


def _hours(record: Record) -> Iterable[tuple[str, float]] | None:
    """Return the hours that a record lies in, with its share in each; None where it has no beginning or no end."""
    first, last = record.values.get("startDate", ""), record.values.get("endDate", "")
    # nearly all do, and 20 times as fast
    if first[:13] == last[:13] and first[19:] == last[19:] and first <= last and not record.metadata.get("HKTimeZone"):
        return ((first[:13], 1.0),) if _MOMENT.fullmatch(first) and _MOMENT.fullmatch(last) else None
    begin, end = record.begin, record.end
    return None if begin is None or end is None or end < begin else _shares(begin, end)


def _shares(begin: datetime, end: datetime) -> Iterator[tuple[str, float]]:
    # on the clock that it began by
    end = end.astimezone(begin.tzinfo)
    seconds = (end - begin).total_seconds()
    while True:
        following = begin.replace(minute=0, second=0) + timedelta(hours=1)
        share = (min(following, end) - begin).total_seconds() / seconds if seconds else 1.0
        yield f"{begin:%Y-%m-%d %H}", share
        if following >= end:
            return
        begin = following


def _periods(stages: list[_Stage]) -> Iterator[list[_Stage]]:
    """Yield stages that make one sleep."""
    period: list[_Stage] = []
    end = 0.0
    for stage in sorted(stages):
        if period and stage.begin - end > _UP_SECONDS:
            yield period
            period = []
        end = max(end, stage.end) if period else stage.end
        period.append(stage)
    if period:
        yield period


def _asleep_by_source(period: list[_Stage]) -> dict[str, float]:
    stages: dict[str, list[_Stage]] = defaultdict(list)
    for stage in period:
        if stage.is_asleep:
            stages[stage.source].append(stage)
    return {source: _covered(its) for source, its in stages.items()}


def _covered(stages: list[_Stage]) -> float:
    """Return the seconds that lie in any of these stages, which are in order."""
    seconds, until = 0.0, float("-inf")
    for stage in stages:
        seconds += max(0.0, stage.end - max(stage.begin, until))
        until = max(until, stage.end)
    return seconds


@lru_cache(maxsize=256)
def _json(extra: tuple[tuple[str, str], ...]) -> str | None:
    kept = {name: value for name, value in extra if name and value}
    return json.dumps(kept, ensure_ascii=False) if kept else None


def _whole(parts: int) -> int:
    return round(parts / _PARTS)


def _by_name(counts: Mapping[str, float], unit: int) -> dict[str, str]:
    return {source: str(round(count / unit)) for source, count in sorted(counts.items())}


def _hold(count: int) -> int:
    if count > _MAX_HELD:
        raise FileRefusedError(f"more than {_MAX_HELD} hours or stages would be held in memory", hint="Split it.")
    return count


@cache
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
