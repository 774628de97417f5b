"""Incremental runs on randomised loads: after each run, the marts equal those of the independent implementation and
those of a full refresh.

Files arrive late, overlap, are corrected and retracted, the roster too. Participants have gaps, pause, lapse, vanish
and come back.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pandas as pd
import pytest

from ingestion.config import Database
from tests.integration.changes import FIRST_DAYS, Changes, load_first
from tests.integration.study import Study
from tests.integration.warehouse import KEYS, Warehouse, assert_marts_are_right, assert_same, opened

# one over a leap day, one over a year's end
PERIODS = [date(2024, 1, 20), date(2025, 11, 25)]
INCREMENTAL = [mart for mart in KEYS if mart != "fct_data_quality"]


@pytest.fixture
def warehouse(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with opened(server, template, tmp_path_factory.mktemp("dbt")) as warehouse:
        yield warehouse


def assert_full_refresh_changes_nothing(warehouse: Warehouse) -> None:
    incremental = {mart: warehouse.mart(mart) for mart in INCREMENTAL}
    warehouse.build("--full-refresh")
    for mart, before in incremental.items():
        assert_same(warehouse.mart(mart), before, mart)


@pytest.mark.parametrize(("number", "start"), list(enumerate(PERIODS)))
def test_incremental_runs_are_right_after_any_change(warehouse: Warehouse, number: int, start: date) -> None:
    study = Study(number, people=14, start=start)
    load_first(study, warehouse)
    warehouse.run()
    assert_marts_are_right(warehouse)
    made = warehouse.execute("select distinct made_from from marts.fct_user_day where made_from is not null")
    assert {origin for (origin,) in made} == {"days", "hours", "minutes"}
    assert warehouse.execute("select true from marts.fct_user_day where invalid_reason = 'not_worn' limit 1")
    changes = Changes(study, warehouse, FIRST_DAYS)
    for _ in range(6):
        changes.some()
        warehouse.run()
        assert_marts_are_right(warehouse)
    assert warehouse.execute("select max(device_rank) > 1 from intermediate.int_user_day_device") == [(True,)]
    assert_full_refresh_changes_nothing(warehouse)


# the table of docs/incremental.md: rows written by each of four runs
ROWS_WRITTEN = {
    "stg_daily_activity": [24, 3, 2, 0],
    "fct_user_day": [24, 3, 2, 0],
    "int_user_day_baseline": [24, 3, 6, 0],
    "int_user_day_level": [24, 3, 6, 0],
    "fct_user_week_engagement": [6, 1, 2, 0],
    "int_user_day_status": [21, 6, 7, 0],
}


def january(users: list[str], first: int, last: int) -> pd.DataFrame:
    days = [(user, f"2026-01-{day:02}", 5000 + 100 * day) for user in users for day in range(first, last + 1)]
    return pd.DataFrame(days, columns=["user_id", "activity_date", "total_steps"])


def rows_written(results: Any) -> dict[str, int]:
    return {result.node.name: result.adapter_response.get("rows_affected") for result in results}


def test_the_example_of_the_documentation_is_true(warehouse: Warehouse) -> None:
    runs = []
    for name, frame in [
        ("to_08.csv", january(["1", "2", "3"], 1, 8)),
        ("to_10.csv", january(["1"], 8, 10)),
        ("fix.csv", january(["2"], 3, 4)),
        (None, None),
    ]:
        if frame is not None and name is not None:
            warehouse.put("daily_activity", name, frame)
        runs.append(rows_written(warehouse.run().results))
    assert {model: [run[model] for run in runs] for model in ROWS_WRITTEN} == ROWS_WRITTEN
