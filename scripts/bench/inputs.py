"""The files that the benchmark loads, generated once below build/bench/ and kept."""

import gzip
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, cycle, islice
from pathlib import Path
from random import Random

from ingestion.config import ROOT
from ingestion.sources import dataset_named
from scripts.generate_sample_data import FIRST_DAY, SEED, activity_row, people, us_date, worn_day

BUILD = ROOT / "build" / "bench"
DAILY_ACTIVITY = dataset_named("daily_activity")
# a user has the days of about three years
DAYS = 1_000
# the pipeline reads files that have changed within the last minute a second time; nobody can set a change time
_SETTLED_SECONDS = 61.0


@dataclass(frozen=True)
class Sizes:
    """How much is loaded, of everything that is measured.

    Arguments:
        rows: rows of the large file, and of the same rows as several files.
        wide_rows: rows of the file with undeclared columns.
        large_files: files of the large file's rows.
        many_files: the same, more of them.
        people: participants whom only the folder of their file names, with 1,000 rows each.
        tiny_files: files of the landing zone of tiny files.
        tiny_rows: rows of each of them.
        folder_files: tiny files of one very large folder.
        distant_files: files that are loaded into a distant database.
        distant_rows: rows of each of them.
        pandas_rows: rows for pandas' to_sql, whose time is scaled up.
        users: participants of the marts and of the report.
        days: days of each of them.
        days_a_file: days in a file of the marts.
        stored_rows: rows of the file in an object store.
        keys: names in a bucket that is listed.

    """

    rows: int = 2_000_000
    wide_rows: int = 100_000
    large_files: int = 8
    many_files: int = 2_000
    people: int = 1_000
    tiny_files: int = 10_000
    tiny_rows: int = 10
    folder_files: int = 100_000
    distant_files: int = 40
    distant_rows: int = 100
    pandas_rows: int = 200_000
    users: int = 10_000
    days: int = 365
    days_a_file: int = 30
    stored_rows: int = 500_000
    keys: int = 100_000

    @property
    def many_rows(self) -> int:
        """Rows of each of many files."""
        return max(1, self.rows // self.many_files)


# small enough to try every scenario in a few minutes
QUICK = Sizes(
    rows=2_000,
    wide_rows=500,
    large_files=4,
    many_files=20,
    people=5,
    tiny_files=20,
    folder_files=50,
    distant_files=5,
    distant_rows=10,
    pandas_rows=500,
    users=20,
    days=70,
    stored_rows=1_000,
    keys=2_500,
)


def generate(rows: int) -> Path:
    """Return a file with that many rows: each with another user and day, and 1,000 different sets of values."""
    folder = BUILD / f"{rows}"
    path = folder / "daily_activity.csv"
    if path.exists():
        return path
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    values = [
        ",".join(activity_row(person, FIRST_DAY, worn_day(person, FIRST_DAY, 1, random))[2:])
        for person, random in people(SEED)
        for _ in range(30)
    ]
    Random(SEED).shuffle(values)  # noqa: S311  (no secret)
    dates = [us_date(FIRST_DAY - timedelta(days=DAYS - number)) for number in range(DAYS)]
    keys = (f"{user_id},{date}" for user_id in count(5_000_000_000) for date in dates)
    unfinished = folder / "unfinished"
    with unfinished.open("w", encoding="ascii") as file:
        file.write(",".join(column.header for column in DAILY_ACTIVITY.columns) + "\n")
        file.writelines(f"{key},{rest}\n" for _, key, rest in zip(range(rows), keys, cycle(values), strict=False))
    unfinished.rename(path)
    return path


def variant(path: Path, name: str, change: Callable[[int, str], str]) -> Path:
    """Return a copy of the file with every line changed; the header has the number 0."""
    made = path.parent.with_name(f"{path.parent.name}-{name}") / path.name
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        unfinished = made.with_suffix(".unfinished")
        with path.open(encoding="ascii") as file, unfinished.open("w", encoding="ascii") as out:
            out.writelines(change(number, line) for number, line in enumerate(file))
        unfinished.rename(made)
    return made


def with_bad_row(number: int, line: str) -> str:
    """Return the line, or for one in a hundred a bad one: too short, not a number, or out of range."""
    if number % 100 != 1 or number == 0:
        return line
    front, _, last = line.rstrip("\n").rpartition(",")
    return (f"{front}\n", f"{front},many\n", f"{front},-{last}\n")[number // 100 % 3]


def widened(number: int, line: str) -> str:
    """Return the line with 100 more columns."""
    cells = (f"Extra{place}" for place in range(100)) if number == 0 else (f"{number % 1000}.5" for _ in range(100))
    return line.rstrip("\n") + "," + ",".join(cells) + "\n"


def split(files: int, rows: int) -> Path:
    """Return a folder with that many files of that many rows."""
    path = generate(files * rows)
    folder = path.parent.with_name(f"{path.parent.name}-files-{files}")
    if not folder.exists():
        unfinished = folder.with_name("unfinished-files")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        with path.open(encoding="ascii") as file:
            header = file.readline()
            for number in range(files):
                lines = list(islice(file, rows))
                (unfinished / f"daily_activity_{number:06}.csv").write_text(header + "".join(lines), encoding="ascii")
        unfinished.rename(folder)
    return folder


def by_person(people: int) -> Path:
    """Return a folder with a folder for each participant; their files have no column that names them."""
    path = generate(people * DAYS)
    folder = path.parent.with_name(f"{path.parent.name}-people")
    if not folder.exists():
        unfinished = folder.with_name("unfinished-people")
        shutil.rmtree(unfinished, ignore_errors=True)
        with path.open(encoding="ascii") as file:
            header = file.readline().partition(",")[2]
            for number in range(people):
                lines = [line.partition(",") for line in islice(file, DAYS)]
                own = unfinished / f"user_id={lines[0][0]}"
                own.mkdir(parents=True)
                first, *others = (rest for *_, rest in lines)
                # without ids, every 27th file would have the same bytes
                text = f"{header}{first.rpartition(',')[0]},{1_000 + number}\n{''.join(others)}"
                (own / "daily_activity.csv").write_text(text, encoding="ascii")
        unfinished.rename(folder)
    return folder


def packed(path: Path) -> Path:
    """Return the file as .gz."""
    made = path.parent.with_name(f"{path.parent.name}-gz") / f"{path.name}.gz"
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        unfinished = made.with_suffix(".unfinished")
        with path.open("rb") as file, gzip.open(unfinished, "wb", compresslevel=6) as out:
            shutil.copyfileobj(file, out, 1 << 20)
        unfinished.rename(made)
    return made


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of the folders in it."""
    for inner, _, names in os.walk(folder):
        yield from (Path(inner, name) for name in names)


def settle(folder: Path) -> None:
    """Wait until all files of a folder are older than a minute."""
    changed_at = max(path.stat().st_ctime for path in files_in(folder))
    time.sleep(max(0.0, changed_at + _SETTLED_SECONDS - time.time()))
