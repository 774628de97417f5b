"""Incremental runs on randomised loads: after each, the marts are what the independent implementation says of
what is in raw, and what a full refresh makes of it.

Files come late, overlap, are corrected and retracted; people gap, pause, lapse, vanish and come back.
"""

from collections.abc import Iterator
from datetime import date

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
