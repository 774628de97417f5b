"""Incremental runs on randomised loads: after each run, the marts equal those of the independent implementation and
those of a full refresh.

Files arrive late, overlap, are corrected and retracted; participants have gaps, pause, lapse, vanish and come back.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pandas as pd
import pytest

from ingestion.config import Database
from tests.conftest import create_database, drop_database
from tests.integration.study import DAYS, Study
from tests.integration.warehouse import KEYS, Warehouse, assert_marts_are_right, assert_same

# one over a leap day, one over a year's end
PERIODS = [date(2024, 1, 20), date(2025, 11, 25)]
INCREMENTAL = [mart for mart in KEYS if mart != "fct_data_quality"]


@pytest.fixture
def warehouse(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    database = create_database(server, "marts_incremental", f"template {template.parameters['dbname']}")
    warehouse = Warehouse(database, tmp_path_factory.mktemp("dbt"))
    yield warehouse
    warehouse.close()
    drop_database(server, database)


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
            if random.random() < 0.5:
                warehouse.put("hourly_steps", f"hourly_steps_{until:03}.csv", study.hourly(begin, until))
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
            warehouse.put(source, name, study.export(source, begin, begin + 10))
        case "retraction" if files:
            warehouse.retract(*files[random.integers(len(files))])
    return until


@pytest.mark.parametrize(("number", "start"), list(enumerate(PERIODS)))
def test_incremental_runs_are_right_after_any_change(warehouse: Warehouse, number: int, start: date) -> None:
    study = Study(number, people=14, start=start)
    until = 45
    warehouse.put("daily_activity", "daily_activity_045.csv", study.activity(0, until))
    warehouse.put("sleep", "sleep_045.csv", study.sleep(0, until))
    warehouse.put("hourly_steps", "hourly_steps_045.csv", study.hourly(20, until))
    warehouse.run()
    for _ in range(4):
        for _ in range(int(study.random.integers(1, 3))):
            until = random_change(study, warehouse, until)
        warehouse.run()
        assert_marts_are_right(warehouse)
    assert_full_refresh_changes_nothing(warehouse)


# the table of docs/incremental.md: rows written by each of four runs
ROWS_WRITTEN = {
    "stg_daily_activity": [24, 3, 2, 0],
    "fct_user_day": [24, 3, 2, 0],
    "int_user_day_baseline": [24, 3, 6, 0],
    "int_user_day_cusum": [24, 3, 6, 0],
    "dim_user_anchor_baseline": [18, 6, 6, 0],
    "fct_user_week_engagement": [6, 1, 2, 0],
    "fct_user_status": [21, 6, 7, 0],
}


def january(users: list[int], first: int, last: int) -> pd.DataFrame:
    days = [(user, f"2026-01-{day:02}", 5000 + 100 * day) for user in users for day in range(first, last + 1)]
    return pd.DataFrame(days, columns=["user_id", "activity_date", "total_steps"])


def rows_written(results: Any) -> dict[str, int]:
    return {result.node.name: result.adapter_response.get("rows_affected") for result in results}


def test_the_example_of_the_documentation_is_true(warehouse: Warehouse) -> None:
    runs = []
    for name, frame in [
        ("to_08.csv", january([1, 2, 3], 1, 8)),
        ("to_10.csv", january([1], 8, 10)),
        ("fix.csv", january([2], 3, 4)),
        (None, None),
    ]:
        if frame is not None and name is not None:
            warehouse.put("daily_activity", name, frame)
        runs.append(rows_written(warehouse.run().results))
    assert {model: [run[model] for run in runs] for model in ROWS_WRITTEN} == ROWS_WRITTEN
