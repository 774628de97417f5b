"""Incremental runs on randomised loads: after each, the marts are what the independent implementation says of what is in
raw, and what a full refresh makes of it.

Files come late, overlap, are corrected and retracted; people gap, pause, lapse, vanish and come back.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from ingestion.config import Database
from tests.conftest import create_database, drop_database, execute
from tests.integration import oracle
from tests.integration.warehouse import KEYS, Warehouse, assert_same

# from before a leap day to after a year's end would be long; one range for each
PERIODS = [date(2024, 1, 20), date(2025, 11, 25)]
DAYS = 100
INCREMENTAL = [mart for mart in KEYS if mart != "fct_data_quality"]


@pytest.fixture
def warehouse(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    database = create_database(server, "marts_incremental", f"template {template.parameters['dbname']}")
    warehouse = Warehouse(database, tmp_path_factory.mktemp("dbt"))
    yield warehouse
    warehouse.close()
    drop_database(server, database)


class Study:
    """A seeded study: what each person's device would export, if asked on a day for a range of days."""

    def __init__(self, number: int, people: int, start: date) -> None:
        self.random = np.random.default_rng(number)
        self.start = start
        self.people = [4_000_000_000 + 7 * person for person in range(people)]
        random = self.random
        self.level = dict(zip(self.people, random.integers(60, 16000, people), strict=True))
        self.trend = dict(zip(self.people, random.choice([-0.01, 0, 0, 0.01], people), strict=True))
        self.wear = dict(zip(self.people, random.choice([1.0, 0.95, 0.8, 0.4], people), strict=True))
        self.first = dict(zip(self.people, random.integers(0, 40, people), strict=True))
        self.last = dict(zip(self.people, random.choice([DAYS, DAYS, 50, 70, 41], people), strict=True))
        # few distinct values make ties and MADs of 0
        self.grain = dict(zip(self.people, random.choice([1, 1, 500, 4000], people), strict=True))

    def activity(self, begin: int, end: int, people: list[int] | None = None) -> pd.DataFrame:
        rows = []
        for person in people or self.people:
            for day in range(max(begin, self.first[person]), min(end, self.last[person])):
                if self.random.random() > self.wear[person]:
                    if self.random.random() < 0.5:
                        rows.append((person, day, 0, 0, 0, 1440, 1500))
                    continue
                wave = self.level[person] * (1 + self.trend[person] * day) * self.random.lognormal(0, 0.5)
                steps = int(wave) // self.grain[person] * self.grain[person]
                if self.random.random() < 0.01:
                    steps = int(self.random.choice([99, 100, 45000, 45001, 70000]))
                part = 0.3 if day == end - 1 else 1.0
                very, fairly = self.random.integers(0, 40, 2)
                rows.append((person, day, int(steps * part), very, fairly, self.random.integers(500, 900), 1500 + steps // 25))
        frame = pd.DataFrame(
            rows,
            columns=[
                *("user_id", "activity_date", "total_steps", "very_active_minutes", "fairly_active_minutes"),
                *("sedentary_minutes", "calories"),
            ],
        )
        frame["activity_date"] = self._timestamps(frame["activity_date"])
        missing = self.random.random(len(frame)) < 0.01
        frame["total_steps"] = frame["total_steps"].astype("Int64").mask(missing)
        return self._with_repeats(frame)

    def sleep(self, begin: int, end: int) -> pd.DataFrame:
        rows = [
            (person, day, int(self.random.integers(1, 4)), asleep, asleep + int(self.random.integers(-3, 60)))
            for person in self.people[::2]
            for day in range(max(begin, self.first[person] - 2), min(end, self.last[person]))
            if self.random.random() < self.wear[person]
            for asleep in [int(self.random.integers(0, 600))]
        ]
        columns = ["user_id", "sleep_day", "total_sleep_records", "total_minutes_asleep", "total_time_in_bed"]
        frame = pd.DataFrame(rows, columns=columns)
        frame["total_time_in_bed"] = frame["total_time_in_bed"].clip(lower=0)
        frame["sleep_day"] = self._timestamps(frame["sleep_day"])
        return self._with_repeats(frame)

    def _timestamps(self, days: "pd.Series[int]") -> "pd.Series[str]":
        return pd.Series([str(datetime.combine(self.start + timedelta(int(day)), datetime.min.time())) for day in days])

    def _with_repeats(self, frame: pd.DataFrame) -> pd.DataFrame:
        repeats = frame.sample(min(3, len(frame)), random_state=int(self.random.integers(1 << 30)))
        return pd.concat([frame, repeats], ignore_index=True)


def assert_marts_are_right(warehouse: Warehouse) -> None:
    expected = oracle.marts(warehouse.raw("daily_activity"), warehouse.raw("sleep"))
    for mart in KEYS:
        actual = warehouse.mart(mart)
        if mart == "fct_data_quality":
            actual = actual[~actual["rule"].str.endswith(".load")]
        if mart in expected:
            assert_same(actual, expected[mart], mart)
        else:
            assert actual.empty


def assert_full_refresh_changes_nothing(warehouse: Warehouse) -> None:
    incremental = {mart: warehouse.mart(mart) for mart in INCREMENTAL}
    warehouse.build("--full-refresh")
    for mart, before in incremental.items():
        assert_same(warehouse.mart(mart), before, mart)


def random_change(study: Study, warehouse: Warehouse, until: int) -> int:
    """Load, correct or retract something; return how far the exports reach."""
    random = study.random
    files = warehouse.execute(
        "select source, source_filename from ops.raw_ingest_manifest where status = 'loaded' order by 1, 2"
    )
    match random.choice(["next", "next", "late", "correction", "retraction"]):
        case "next":
            begin, until = until - int(random.integers(0, 3)), min(until + int(random.integers(1, 15)), DAYS)
            warehouse.put("daily_activity", f"daily_activity_{until:03}.csv", study.activity(begin, until))
            if random.random() < 0.7:
                warehouse.put("sleep", f"sleep_{until:03}.csv", study.sleep(begin, until))
        case "late":
            begin = int(random.integers(0, until))
            people = list(random.choice(study.people, 3, replace=False))
            name = f"daily_activity_late_{begin:03}.csv"
            warehouse.put("daily_activity", name, study.activity(begin, begin + int(random.integers(2, 20)), people))
        case "correction" if files:
            source, name = files[random.integers(len(files))]
            begin = int(random.integers(0, until))
            rows = study.activity(begin, begin + 10) if source == "daily_activity" else study.sleep(begin, begin + 10)
            warehouse.put(source, name, rows)
        case "retraction" if files:
            warehouse.retract(*files[random.integers(len(files))])
    return until


@pytest.mark.parametrize(("number", "start"), list(enumerate(PERIODS)))
def test_incremental_runs_are_right_after_any_change(warehouse: Warehouse, number: int, start: date) -> None:
    study = Study(number, people=14, start=start)
    until = 45
    warehouse.put("daily_activity", "daily_activity_045.csv", study.activity(0, until))
    warehouse.put("sleep", "sleep_045.csv", study.sleep(0, until))
    warehouse.build()
    for _ in range(7):
        for _ in range(int(study.random.integers(1, 3))):
            until = random_change(study, warehouse, until)
        warehouse.build()
        assert_marts_are_right(warehouse)
    assert_full_refresh_changes_nothing(warehouse)
