import re

import pytest

from ingestion.sources import DAILY_ACTIVITY, SOURCES, normalise, source_for


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("daily_activity.csv", "daily_activity"),
        ("dailyActivity_merged.csv", "daily_activity"),
        ("DAILY ACTIVITY.CSV", "daily_activity"),
        ("daily-activity-2026-01-20.csv", "daily_activity"),
        ("daily_activity_2026-01-01_to_2026-01-31.csv", "daily_activity"),
        ("sleep.csv", "sleep"),
        ("sleepDay_merged.csv", "sleep"),
        ("sleep_day.csv", "sleep"),
        ("sleep_2026-01-20.csv", "sleep"),
        ("sleep_20260120.csv", "sleep"),
        ("2026-01-20 sleep.csv", "sleep"),
        ("20260120_sleep.csv", "sleep"),
        ("sleep (1).csv", "sleep"),
        ("sleepDay_merged(2).csv", "sleep"),
        ("sleep_2026-01-20_3.csv", "sleep"),
    ],
)
def test_names_of_drops(name: str, source: str) -> None:
    found = source_for(name)
    assert found
    assert found.name == source


@pytest.mark.parametrize(
    "name",
    [
        "hourlyIntensities_merged.csv",
        "asleep.csv",
        "sleepless.csv",
        "sleep_quality.csv",
        "sleep.csv.bak",
        "sleep.txt",
        "sleep",
        ".csv",
        "sleep.csv\n",
        "sleep\n.csv",
        "minuteSleep_merged.csv",
        "daily_activity_sleep.csv",
        "weekly_activity.csv",
        "folder/sleep.csv",
    ],
)
def test_other_names_are_unknown(name: str) -> None:
    assert source_for(name) is None


@pytest.mark.parametrize(
    "name", ["sleep_" + "0" * 200 + ".bak", "sleep" + "_1" * 120 + "x", "sleep" + "(1)" * 80 + ")"]
)
def test_a_long_name_is_refused_at_once(name: str) -> None:
    """A pattern that backtracks over the digits would not come back from this."""
    assert source_for(name) is None


def test_no_name_belongs_to_two_sources() -> None:
    for source in SOURCES:
        for stem in source.stems:
            assert [other.name for other in SOURCES if other.matches(f"{stem}.csv")] == [source.name]


@pytest.mark.parametrize(
    "header", ["TotalSteps", "total_steps", "Total Steps", "TOTAL-STEPS", " total.steps ", "totalsteps"]
)
def test_headers_are_matched_without_case_and_punctuation(header: str) -> None:
    assert DAILY_ACTIVITY.by_header[normalise(header)].name == "total_steps"


@pytest.mark.parametrize("name", [source.name for source in SOURCES])
def test_a_declaration_makes_sense(name: str) -> None:
    (source,) = (source for source in SOURCES if source.name == name)
    columns = [column.name for column in source.columns]
    assert len(set(columns)) == len(columns)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", column) for column in [name, *columns])
    required = {column.name for column in source.columns if column.required}
    assert set(source.key) <= required, "a key that a file may lack would reject all of its rows"
    assert len(source.by_header) >= len(columns), "two columns answer to one header"
    assert {column.name for column in source.by_header.values()} == set(columns)
    assert all(c.minimum is None or c.maximum is None or c.minimum <= c.maximum for c in source.columns)
    assert 0 <= source.max_rejected_percent <= 100
    assert source.max_rejected_rows >= 0
