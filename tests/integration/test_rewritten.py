"""Rows that are rewritten for COPY load exactly as rows that PostgreSQL judges one by one."""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from random import Random
from typing import Any, BinaryIO, cast
from uuid import UUID

import psycopg2.extensions
import pytest
from psycopg2.sql import SQL, Identifier
from sqlalchemy import Engine

from ingestion import db
from ingestion.errors import FileRefusedError
from ingestion.load import file as load_file
from ingestion.load.file import load
from ingestion.load.sorter import Sorter
from ingestion.load.work import FileToLoad, Loaded
from ingestion.sources import Column, Dataset, dataset_named
from ingestion.storage import Storage, StoredFile

RUN = UUID(int=18)
WRITTEN_AT = datetime(2016, 6, 1, tzinfo=UTC)
# a dataset, and names of a file of it: with a column of ids or with the participant in the path
NAMES = {
    "daily_activity": "daily_activity.csv",
    "sleep": "sleep_day.csv",
    "hourly_steps": "hourly_steps.csv",
    "heart_rate": "heart_rate.csv",
    "weight": "weight.csv",
    "battery": "battery.csv",
    "sync_events": "sync_events.csv",
    "minute_sleep": "minute_sleep.csv",
}
# texts of undeclared columns; some are damaged, and some mean something to CSV, JSON or COPY
TEXTS = (
    *("", "1.5", "plain", " in front", "behind ", 'a "quote"', '"', "back\\slash", "\\N", "\\.", "\\u0000", "\\t"),
    *("a\tb", "\x01", "\x00", "\x1f\x7f", "é", "日本語", "\U0001f600", "\u2028", "\u00a0", "a,b", "a;b", "a|b", "''"),
    *("two\nlines", "two\r\nlines", "a\rb", "null", "NA", "Total", "{}", '{"a": 1}', "-", "=", '="1"', "4/12/2016"),
    *("31/12/2016", "2016-04-12", "Id", "Calories", "1,5", "x" * 300, "%s", "%", "\ufeff"),
)
EXTRA_NAMES = ("Note", "Extra 1", 'say "x"', "back\\slash", "é", "a\tb", "%s", "Steps 5", "x1", "User", "", "日本")
ODD_IDS = ("", " 15", "15 ", "1.5E+09", "15.0", "Total", "x1", "Extra1", "NA", "ünal5", "'15", '="15"', "A" * 60 + "1")
ODD_NUMBERS = (
    *("", " 5", "5 ", "NA", '="5"', "'5", "1.0", "1.5", "1,234", "1.234", "0.5", "-1", "9" * 11, "9" * 25, "x", "1e3"),
    *("Infinity", "NaN", "0x1F", "1_0", "\u0665", "5\u00a0", "1441", "1440", "007", "+5", "5.", ".5", "1.2345", "1,5"),
)
ODD_DATES = (
    *("", "2/29/2016", "2/30/2016", "13/13/2016", "today", "x", "4/5/16", "12.04.2016", "2016-04-12", "4/12/2016 7:05"),
    *("2016-04-12T07:05:00+02:00", "2016-04-12 07:05:00Z", "4/12/2016 7:05:00\u202fPM", "1/1/0001", "4/12/2016 25:00"),
)


class Memory:
    """A landing zone with one file in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def open(self, _file: StoredFile) -> BinaryIO:
        return BytesIO(self.content)


@dataclass(frozen=True)
class Outcome:
    """What became of a file."""

    loaded: Loaded | str
    rows: list[tuple[Any, ...]]
    rejected: list[tuple[Any, ...]]


class Loader:
    """Loads files and takes them back, and counts how many rows were rewritten."""

    def __init__(self, connection: db.Connection) -> None:
        self.connection = connection
        self.rewritten: Counter[str] = Counter()

    def both(self, dataset: Dataset, name: str, content: bytes) -> tuple[Outcome, Outcome]:
        """Load a file with good rows rewritten, and with all rows judged."""
        with counted(self.rewritten):
            fast = self.load(dataset, name, content)
        with judged():
            return fast, self.load(dataset, name, content)

    def load(self, dataset: Dataset, name: str, content: bytes) -> Outcome:
        storage = cast("Storage", Memory(content))
        file = StoredFile(name, len(content), "1", modified_at=WRITTEN_AT)
        with self.connection.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor:
            try:
                loaded = load(self.connection, FileToLoad(storage, file, dataset, "raw"), 7, RUN)
            except FileRefusedError as exc:
                return Outcome(f"{type(exc).__name__}: {exc} {exc.hint}", [], [])
            else:
                cursor.execute(
                    SQL("select to_jsonb(t) - '_loaded_at' from {} as t").format(Identifier("raw", dataset.name))
                )
                rows = sorted((json.dumps(row, sort_keys=True),) for (row,) in cursor.fetchall())
                cursor.execute(
                    "select line_number, column_name, reason, raw_line from ops.rejected_rows order by line_number"
                )
                rejected = [(*row[:3], bytes(row[3])) for row in cursor.fetchall()]
                return Outcome(loaded, rows, rejected)
            finally:
                self.connection.rollback()


@contextmanager
def judged() -> Iterator[None]:
    """Judge every row."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_file, "can_rewrite", lambda _header: False)
        yield


@contextmanager
def counted(counts: Counter[str]) -> Iterator[None]:
    """Count the rows that were rewritten many at a time, and alone."""
    run, single = Sorter._run, Sorter._single

    def count(kind: str, call: Callable[[Sorter], bytes]) -> Callable[[Sorter], bytes]:
        def counting(sorter: Sorter) -> bytes:
            before = sorter.certain_rows
            found = call(sorter)
            counts[kind] += sorter.certain_rows - before
            return found

        return counting

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sorter, "_run", count("lines", run))
        patch.setattr(Sorter, "_single", count("records", single))
        yield


class File:
    """A random file, mostly good."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.dataset = dataset_named(random.choice(sorted(NAMES)))
        self.has_id = random.random() < 0.7
        self.delimiter = random.choice(",,,;\t|")
        self.newline = random.choice((b"\n", b"\n", b"\r\n", b"\r"))
        self.order = random.choice(("MDY", "MDY", "YMD", "DMY"))
        self.has_time = random.random() < 0.4
        self.oddness = random.choice((0, 0.01, 0.1))
        self.trailing = random.random() < 0.1
        self.quotes_all = random.random() < 0.3
        wanted = [c for c in self.dataset.columns if c.required or random.random() < 0.6]
        extra = list(dict.fromkeys(random.choices(EXTRA_NAMES, k=random.choice((0, 1, 2, 5)))))
        if random.random() < 0.1:
            extra += [f"Wide{number}" for number in range(120)]
        self.columns: list[Column | str] = [c for c in wanted if self.has_id or c.name != "user_id"]
        if random.random() < 0.5:
            self.columns += extra
        else:
            for each in extra:
                self.columns.insert(random.randint(0, len(self.columns)), each)

    @property
    def name(self) -> str:
        folder = "" if self.has_id else "user_id=P 5\\x/"
        return folder + NAMES[self.dataset.name]

    def content(self) -> bytes:
        names = [each if isinstance(each, str) else each.header for each in self.columns]
        lines = [self.line(names, is_header=True)]
        day = datetime(2016, 4, 8, 7, 5, tzinfo=UTC)
        for number in range(self.random.choice((0, 1, 5, 40))):
            lines.extend(self.rows(day + timedelta(days=number % 20), names))
        text = self.newline.join(lines)
        return text if self.random.random() < 0.3 else text + self.newline

    def rows(self, day: datetime, names: list[str]) -> Iterator[bytes]:
        values = [self.value(each, day) for each in self.columns]
        delimiter = self.delimiter.encode()
        odd: dict[str, Callable[[], bytes]] = {
            "blank": lambda: b"",
            "blanks": lambda: b" \t ",
            "delimiters": lambda: self.line([""] * len(values)),
            "header": lambda: self.line(names),
            "total": lambda: self.line(["Total", *values[1:]]),
            "short": lambda: self.line(values[:-1]),
            "long": lambda: self.line([*values, "1"]),
            "open": lambda: self.line([*values[:-1], "x"])[:-1] + b'"open',
            "bytes": lambda: self.line([*values[:-1], "x"])[:-1] + b"\xff\xc3",
            "carriage return": lambda: self.line(values) + b"\r",
            "padded": lambda: self.line(values).replace(delimiter, delimiter + b" "),
        }
        if self.random.random() < self.oddness:
            yield odd[self.random.choice(sorted(odd))]()
        else:
            yield self.line(values)

    def line(self, values: list[str], *, is_header: bool = False) -> bytes:
        text = io.StringIO()
        end = "\r" if self.newline == b"\r" else "\r\n"
        write = partial(csv.writer, text, delimiter=self.delimiter, lineterminator=end)
        (write(quoting=csv.QUOTE_ALL) if self.quotes_all else write()).writerow(values)
        line = text.getvalue().removesuffix(end).encode()
        return line + self.delimiter.encode() if self.trailing and not is_header else line

    def value(self, column: Column | str, day: datetime) -> str:
        is_odd = self.random.random() < self.oddness / 2
        if isinstance(column, str):
            return self.random.choice(TEXTS if is_odd or self.random.random() < 0.2 else TEXTS[:3])
        if column.type in {"timestamp", "date"}:
            return self.random.choice(ODD_DATES) if is_odd else self.date(day, column)
        usual, odd = {
            "user_id": (("1503960366", "S-05", "7"), ODD_IDS),
            "text": (("scale", "High", "a b", "5"), TEXTS),
            "boolean": (("True", "false", ""), ("maybe", "TRUE ")),
            "double precision": ((f"{self.random.randint(1, 4)}.{self.random.randint(1, 99999)}",), ODD_NUMBERS),
        }.get("user_id" if column.name == "user_id" else column.type, (("1", "2", "3", "4"), ODD_NUMBERS))
        return self.random.choice(odd if is_odd else usual)

    def date(self, day: datetime, column: Column) -> str:
        time = ""
        if column.type == "timestamp" and self.has_time:
            time = f" {day:%H:%M:%S}" if self.order == "YMD" else " 7:05:00 AM"
        if self.order == "YMD":
            return f"{day:%Y-%m-%d}{time}"
        first, second = (day.month, day.day) if self.order == "MDY" else (day.day, day.month)
        return f"{first}/{second}/{day.year}{time}"


@pytest.fixture
def loader(engine: Engine) -> Iterator[Loader]:
    with db.session(engine, autocommit=False) as connection:
        yield Loader(connection)


def test_random_files_load_as_if_every_row_were_judged(loader: Loader) -> None:
    """150 files, or REWRITTEN_EXAMPLES; always the same, or others from REWRITTEN_SEED on."""
    loaded: Counter[bool] = Counter()
    first = int(os.environ.get("REWRITTEN_SEED", "0"))
    for number in range(first, first + int(os.environ.get("REWRITTEN_EXAMPLES", "150"))):
        file = File(Random(number))  # noqa: S311  (no secret)
        content = file.content()
        fast, slow = loader.both(file.dataset, file.name, content)
        assert fast == slow, (number, content)
        loaded[isinstance(fast.loaded, Loaded)] += 1
    assert loaded[True] > loaded[False], "most files have to load"
    assert min(loader.rewritten["lines"], loader.rewritten["records"]) > 100, "too few rows were rewritten"


@pytest.mark.parametrize("text", sorted(set(TEXTS) - {"\x00", "a\rb", "two\r\nlines"}))
def test_undeclared_text_is_kept_as_it_is_written(loader: Loader, text: str) -> None:
    lines = io.StringIO()
    csv.writer(lines).writerows([["Id", "SleepDay", "TotalSleepRecords", "TotalMinutesAsleep", "TotalTimeInBed", "x"]])
    for day in range(13, 16):
        csv.writer(lines, lineterminator="\n").writerow(["5", f"4/{day}/2016", "1", "327", "346", text])
    content = lines.getvalue().replace("\r\n", "\n", 1).encode()
    fast, _ = loader.both(dataset_named("sleep"), "sleep.csv", content)
    # as Python's reader of CSV has it, without blanks in front of what has no quotes
    value = text if any(each in text for each in ',"\n\r') else text.lstrip(" ")
    assert [json.loads(row[0])["_extra"] for row in fast.rows] == [{"x": value} if value else None] * 3
    assert loader.rewritten.total() == 3


def test_dates_of_undeclared_columns_are_no_evidence(loader: Loader) -> None:
    header = "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed,Visit\n"
    row = "5,4/5/2016,1,327,346,31/3/2016\n"
    fast, slow = loader.both(dataset_named("sleep"), "sleep.csv", (header + row).encode())
    assert fast == slow
    assert [json.loads(row[0])["sleep_day"][:10] for row in fast.rows] == ["2016-04-05"]


@pytest.mark.parametrize(
    ("bad", "good"), [("4/12/201", "4/13/2016"), ("4/12/2", "4/13/2016"), ("201-04-12", "2016-04-13")]
)
def test_a_year_of_three_digits_is_rejected(loader: Loader, bad: str, good: str) -> None:
    """Also where the other dates leave no doubt, and COPY would take it."""
    header = "Id,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed,SleepDay\n"
    rows = [f"5,1,327,346,{good}"] * 3 + [f"5,1,327,346,{bad}"]
    fast, slow = loader.both(dataset_named("sleep"), "sleep.csv", (header + "\n".join(rows)).encode())
    assert fast == slow
    assert [(line, reason) for line, _, reason, _ in fast.rejected] == [(5, "not_castable")]
