"""The files that the benchmarks load, generated once below build/bench/."""

import gzip
import shutil
from collections.abc import Callable
from datetime import timedelta
from itertools import count, cycle, islice
from pathlib import Path
from random import Random

from ingestion.config import ROOT
from ingestion.sources import dataset_named
from scripts.generate_sample_data import FIRST_DAY, SEED, activity_row, people, us_date, worn_day

BUILD = ROOT / "build" / "bench"
DAILY_ACTIVITY = dataset_named("daily_activity")
DAYS = 1_000


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


def split(path: Path, files: int, rows: int) -> Path:
    """Return a folder with that many files of that many rows."""
    folder = path.parent.with_name(f"{path.parent.name}-files-{files}")
    if not folder.exists():
        unfinished = folder.with_name("unfinished-files")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        with path.open(encoding="ascii") as file:
            header = file.readline()
            for number in range(files):
                lines = list(islice(file, rows))
                (unfinished / f"daily_activity_{number:05}.csv").write_text(header + "".join(lines), encoding="ascii")
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
