"""Files that are made at random, each with the rows that it must yield. Nothing here reads the program's code."""

import gzip
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from random import Random
from typing import Literal

Quality = Literal["good", "some bad rows", "refused"]

# no other number of a file has six digits and begins with 7
USERS = range(700_001, 700_009)
_BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001  (exports have the local time of the device)
_DAYS = 90
# far from the limit of the datasets, a half
_BAD_SHARE = {"good": 0.0, "some bad rows": 0.15, "refused": 0.9}
_FEWEST_BAD = 10


@dataclass(frozen=True)
class Dataset:
    """A table, the header of its files, and how to make a row.

    Arguments:
        name: the name of the table and the beginning of file names.
        header: the header of a file.
        columns: the columns of the table, in the order of the header.
        step: the shortest time between two rows.
        values: makes the values after user and time.

    """

    name: str
    header: str
    columns: str
    step: timedelta
    values: Callable[[Random], tuple[int, ...]]


def _sleep(random: Random) -> tuple[int, ...]:
    asleep = random.randint(120, 500)
    return random.randint(1, 3), asleep, random.randint(asleep + 20, asleep + 90)


def _activity(random: Random) -> tuple[int, ...]:
    minutes = (random.randint(0, 90), random.randint(0, 90), random.randint(60, 300), random.randint(300, 900))
    return random.randint(100, 20_000), *minutes, random.randint(1200, 3900)


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "sleep",
            "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed",
            "user_id, sleep_day, total_sleep_records, total_minutes_asleep, total_time_in_bed",
            timedelta(days=1),
            _sleep,
        ),
        Dataset(
            "daily_activity",
            "Id,ActivityDate,TotalSteps,VeryActiveMinutes,FairlyActiveMinutes,LightlyActiveMinutes,SedentaryMinutes,"
            "Calories",
            "user_id, activity_date, total_steps, very_active_minutes, fairly_active_minutes, lightly_active_minutes,"
            " sedentary_minutes, calories",
            timedelta(days=1),
            _activity,
        ),
        Dataset(
            "hourly_steps",
            "Id,ActivityHour,StepTotal",
            "user_id, activity_hour, step_total",
            timedelta(hours=1),
            lambda random: (random.randint(0, 3000),),
        ),
        Dataset(
            "heart_rate",
            "Id,Time,Value",
            "user_id, measured_at, beats_per_minute",
            timedelta(seconds=5),
            lambda random: (random.randint(50, 180),),
        ),
    )
}


@dataclass(frozen=True)
class Content:
    """The bytes of a file and what they must yield.

    Arguments:
        data: the bytes.
        dataset: the name of the table.
        rows: the rows to load, as lines of CSV.
        rejected: line number and bytes of each row for quarantine.
        blank: the number of blank lines.
        is_refused: whether the whole file must be refused.

    """

    data: bytes
    dataset: str
    rows: tuple[str, ...]
    rejected: tuple[tuple[int, bytes], ...] = ()
    blank: int = 0
    is_refused: bool = False

    @cached_property
    def checksum(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def __hash__(self) -> int:
        return hash(self.checksum)

    def __repr__(self) -> str:
        return f"<{self.dataset} {self.checksum[:8]}: {len(self.rows)} rows>"

    def without(self, user: int | None) -> "Content":
        """Return what is left of it when a participant has been erased."""
        if user is None:
            return self
        rows = tuple(row for row in self.rows if not row.startswith(f"{user},"))
        rejected = tuple((line, raw) for line, raw in self.rejected if str(user).encode() not in raw)
        return Content(self.data, self.dataset, rows, rejected, self.blank, self.is_refused)


def make(random: Random, dataset: str, rows: int, quality: Quality = "good", suffix: str = ".csv") -> Content:
    """Make a file.

    Arguments:
        random: the source of all choices.
        dataset: the name of its table.
        rows: how many rows it has, at least one.
        quality: whether it has bad rows, and so many that it must be refused.
        suffix: `.csv`, `.csv.gz` or `.csv.zip`.

    """
    if quality == "refused" and (rows < _FEWEST_BAD or random.random() < 0.3):
        return _without_column(random, DATASETS[dataset], rows, suffix)
    bad = set(random.sample(range(rows), round(rows * _BAD_SHARE[quality])))
    lines = [DATASETS[dataset].header]
    good, rejected, blank = [], [], 0
    for number, line in enumerate(_lines(random, DATASETS[dataset], rows)):
        if quality != "good" and random.random() < 0.05:
            lines.append("")
            blank += 1
        if number in bad:
            spoiled = _spoiled(random, line)
            lines.append(spoiled)
            rejected.append((len(lines), spoiled.encode()))
        else:
            lines.append(line)
            good.append(line)
    data = packed("".join(f"{line}\n" for line in lines).encode(), suffix)
    return Content(data, dataset, tuple(good), tuple(rejected), blank, quality == "refused")


def grown(random: Random, content: Content, rows: int) -> Content:
    """Return a plain file with more rows at its end."""
    more = list(_lines(random, DATASETS[content.dataset], rows))
    data = content.data + "".join(f"{line}\n" for line in more).encode()
    return Content(data, content.dataset, (*content.rows, *more), content.rejected, content.blank)


def cut(content: Content, rows: int) -> Content:
    """Return a plain file without bad rows, cut after a number of rows."""
    lines = content.data.split(b"\n")
    return Content(b"\n".join(lines[: rows + 1]) + b"\n", content.dataset, content.rows[:rows])


def twin(content: Content) -> Content:
    """Return a plain file without bad rows of the same size, in which every row is different."""
    rows = tuple(row[:-1] + str((int(row[-1]) + 1) % 10) for row in content.rows)
    header = content.data.split(b"\n", 1)[0]
    return Content(header + "".join(f"\n{row}" for row in rows).encode() + b"\n", content.dataset, rows)


def packed(data: bytes, suffix: str) -> bytes:
    """Return the bytes of a file, packed as its suffix says, the same each time."""
    if suffix.endswith(".gz"):
        return gzip.compress(data, compresslevel=1, mtime=0)
    if suffix.endswith(".zip"):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(zipfile.ZipInfo("export.csv"), data)
        return archive.getvalue()
    return data


def _lines(random: Random, dataset: Dataset, rows: int) -> Iterator[str]:
    span = timedelta(days=_DAYS) // dataset.step
    start = random.randrange(span)
    for number in range(rows):
        moment = _BEGIN + dataset.step * ((start + number // len(USERS)) % span)
        values = ",".join(map(str, dataset.values(random)))
        yield f"{USERS[number % len(USERS)]},{moment:%Y-%m-%d %H:%M:%S},{values}"


def _without_column(random: Random, dataset: Dataset, rows: int, suffix: str) -> Content:
    """Return a file without its last column, which every dataset requires."""
    lines = [dataset.header, *_lines(random, dataset, rows)]
    data = "".join(f"{line.rpartition(',')[0]}\n" for line in lines).encode()
    return Content(packed(data, suffix), dataset.name, (), is_refused=True)


def _spoiled(random: Random, line: str) -> str:
    """Return a row that must go to quarantine: no number, out of range, no key, or too few fields."""
    first, rest = line.split(",", 1)
    before, last = line.rsplit(",", 1)
    return random.choice((f"{before},{last}x", f"{before},-{last}1", f",{rest}", first, f"{first},never,{last}"))
