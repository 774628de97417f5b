"""The marts of the real exports of April 2016, against figures written down from tests/integration/oracle/.

The exports are not ours to copy: FITABASE_2016_04 names their folder.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ingestion.config import Database
from ingestion.sources import normalise
from tests import optional
from tests.datasets import DATASETS
from tests.integration import oracle
from tests.integration.warehouse import KEYS, Warehouse, assert_same, opened

EXPORTS = Path(os.environ.get("FITABASE_2016_04", Path(__file__).parents[3] / "shared" / "data" / "fitabase-2016-04"))
EXPORTED = {
    "daily_activity": "dailyActivity_merged.csv",
    "sleep": "sleepDay_merged.csv",
    "hourly_steps": "hourlySteps_merged.csv",
}
GOLDEN = Path(__file__).parent / "golden" / "april_2016.json"

pytestmark = pytest.mark.skipif(not EXPORTS.is_dir(), reason=optional.EXPORTS.what)


@pytest.fixture(scope="module")
def april(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with opened(server, template, tmp_path_factory.mktemp("dbt")) as warehouse:
        for source, name in EXPORTED.items():
            warehouse.put(source, name, export(source, name))
        warehouse.build()
        yield warehouse


@pytest.fixture(scope="module")
def expected(april: Warehouse) -> dict[str, pd.DataFrame]:
    return oracle.marts(april.raw)


def export(source: str, name: str) -> pd.DataFrame:
    by_header = next(declared for declared in DATASETS if declared.name == source).by_header
    frame = pd.read_csv(EXPORTS / name)
    return frame.rename(columns={header: by_header[normalise(header)].name for header in frame.columns})


def figures(marts: dict[str, pd.DataFrame]) -> dict[str, object]:
    """Return what the golden file holds: the status of each user on the last day, and sums over each mart."""
    status = marts["fct_user_status"]
    last = status[status["as_of_date"] == status["as_of_date"].max()].sort_values("user_id")
    answer: dict[str, object] = {
        "as_of_date": str(last["as_of_date"].iloc[0]),
        "status": {str(user): name for user, name in zip(last["user_id"], last["status"], strict=True)},
    }
    for mart, key in KEYS.items():
        frame = marts[mart]
        answer[mart] = {"rows": len(frame)} | {
            column: summary(frame[column])
            for column in sorted(frame.columns)
            if column not in key and column not in ("run_id", "checked_at")
        }
    return answer


def summary(column: "pd.Series[Any]") -> object:
    """Return how many values there are and their sum, or how often each occurs."""
    present = column.dropna()
    numbers = pd.to_numeric(present, errors="coerce")
    if len(present) and isinstance(present.iloc[0], str):
        return {str(value): int(count) for value, count in sorted(present.value_counts().items())}
    if numbers.isna().any():
        return {"values": len(present), "first": str(present.min()), "last": str(present.max())}
    return {"values": len(present), "sum": round(float(numbers.astype("float64").sum()), 4)}


@pytest.mark.parametrize("mart", KEYS)
def test_a_mart_is_what_the_independent_implementation_says(
    april: Warehouse, expected: dict[str, pd.DataFrame], mart: str
) -> None:
    actual = april.mart(mart)
    if mart == "fct_data_quality":
        actual = actual[~actual["rule"].str.endswith(".load")]
    assert_same(actual, expected[mart], mart)


def test_the_independent_implementation_says_what_was_written_down(expected: dict[str, pd.DataFrame]) -> None:
    assert figures(expected) == json.loads(GOLDEN.read_text())


def test_the_exports_come_through_whole(april: Warehouse) -> None:
    counts = [
        april.execute(f"select count(*) from {relation}")[0][0]
        for relation in ("raw.daily_activity", "raw.sleep", "staging.stg_sleep")
    ]
    assert counts == [940, 413, 410]
