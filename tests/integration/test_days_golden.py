"""Days of Fitabase's files of one participant and measure each, as three real participants have them.

The exports are not ours to copy: ACTIWEARCHECK names their folder.
"""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from ingestion.config import Database
from tests import optional
from tests.integration.warehouse import Warehouse, assert_marts_are_right, opened

EXPORTS = Path(os.environ.get("ACTIWEARCHECK", Path(__file__).parents[3] / "shared" / "data" / "actiwearcheck"))
PEOPLE = ("name1", "name3", "name5")
MEASURES = {
    "dailySteps": ("daily_activity", {"ActivityDay": "activity_date", "StepTotal": "total_steps"}),
    "dailyCalories": ("daily_activity", {"ActivityDay": "activity_date", "Calories": "calories"}),
    "dailyIntensities": (
        "daily_activity",
        {
            "ActivityDay": "activity_date",
            "SedentaryMinutes": "sedentary_minutes",
            "LightlyActiveMinutes": "lightly_active_minutes",
            "FairlyActiveMinutes": "fairly_active_minutes",
            "VeryActiveMinutes": "very_active_minutes",
            "SedentaryActiveDistance": "sedentary_active_distance",
            "LightActiveDistance": "light_active_distance",
            "ModeratelyActiveDistance": "moderately_active_distance",
            "VeryActiveDistance": "very_active_distance",
        },
    ),
    "hourlySteps": ("hourly_steps", {"ActivityHour": "activity_hour", "StepTotal": "step_total"}),
    "minuteStepsNarrow": ("minute_activity", {"ActivityMinute": "activity_minute", "Steps": "steps"}),
    "fitbitWearTimeViaHR": (
        "wear_time",
        {"Day": "wear_date", "TotalMinutesWearTime": "minutes_worn", "PercentageWearTime": "worn_percent"},
    ),
    "syncEvents": (
        "sync_events",
        {
            "DateTime": "synced_at",
            "SyncDateUTC": "synced_at_utc",
            "Provider": "provider",
            "DeviceName": "device_name",
        },
    ),
}
# written down from the files: first and last day of the three daily files, and how many days each of them has
DAYS = {
    "name1": (date(2021, 11, 26), date(2022, 2, 14), 81),
    "name3": (date(2022, 8, 20), date(2023, 1, 7), 141),
    "name5": (date(2023, 2, 23), date(2023, 4, 9), 46),
}

pytestmark = pytest.mark.skipif(not EXPORTS.is_dir(), reason=optional.PARTICIPANTS.what)


@pytest.fixture(scope="module")
def study(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with opened(server, template, tmp_path_factory.mktemp("dbt")) as warehouse:
        for person in PEOPLE:
            for measure, (source, _) in MEASURES.items():
                for path in EXPORTS.glob(f"{person}_{measure}_*.csv"):
                    warehouse.put(source, path.name, export(person, measure))
        warehouse.build()
        yield warehouse


def export(person: str, measure: str) -> pd.DataFrame:
    _, columns = MEASURES[measure]
    (path,) = EXPORTS.glob(f"{person}_{measure}_*.csv")
    frame = pd.read_csv(path)[list(columns)].rename(columns=columns)
    frame.insert(0, "user_id", person)
    return frame


def by_day(frame: pd.DataFrame, day: str) -> pd.DataFrame:
    has_time = frame[day].str.contains(":").any()
    times = pd.to_datetime(frame[day], format="%m/%d/%Y %I:%M:%S %p" if has_time else "%m/%d/%Y")
    frame = frame.assign(**{day: times.dt.date})
    return frame.drop(columns="user_id").set_index(day)


@pytest.mark.parametrize("person", PEOPLE)
def test_a_day_is_the_union_of_its_files(study: Warehouse, person: str) -> None:
    measures = [by_day(export(person, name), "activity_date") for name in list(MEASURES)[:3]]
    expected = pd.concat(measures, axis=1, join="outer").sort_index()
    found = study.frame(
        "select activity_date, steps as total_steps, calories, sedentary_minutes, lightly_active_minutes,"
        " fairly_active_minutes, very_active_minutes, sedentary_distance_km as sedentary_active_distance,"
        " lightly_active_distance_km as light_active_distance, very_active_distance_km as very_active_distance,"
        " moderately_active_distance_km as moderately_active_distance, raw_rows, has_conflict, made_from"
        f" from staging.stg_daily_activity where user_id = '{person}' order by activity_date"
    ).set_index("activity_date")
    first, last, days = DAYS[person]
    assert (found.index[0], found.index[-1], len(found)) == (first, last, days)
    pd.testing.assert_frame_equal(
        found[list(expected.columns)], expected, check_dtype=False, check_names=False, check_freq=False
    )
    assert set(found["raw_rows"]) == {3}
    assert not found["has_conflict"].any()
    assert set(found["made_from"]) == {"days"}


@pytest.mark.parametrize("person", PEOPLE)
def test_wear_is_that_of_the_days_with_the_device(study: Warehouse, person: str) -> None:
    worn = by_day(export(person, "fitbitWearTimeViaHR"), "wear_date")["minutes_worn"]
    found = study.frame(
        f"select activity_date, wear_minutes from marts.fct_user_day where user_id = '{person}' order by activity_date"
    ).set_index("activity_date")["wear_minutes"]
    first, last, days = DAYS[person]
    assert (found.index[0], found.index[-1], len(found)) == (first, last, days)
    assert found.to_dict() == worn[found.index].to_dict()
    # the file has hundreds of days of 0 before the first day
    assert (worn[: found.index[0]].iloc[:-1] == 0).sum() > 700
    assert (found > 0).mean() > 0.7


@pytest.mark.parametrize("person", PEOPLE)
def test_each_sync_is_there(study: Warehouse, person: str) -> None:
    events = export(person, "syncEvents")
    found = study.execute("select count(*), max(synced_at) from staging.stg_sync_events where user_id = %s", (person,))
    times = pd.to_datetime(events["synced_at"], format="%m/%d/%Y %I:%M:%S %p")
    assert found == [(times.nunique(), times.max())]


def test_minutes_add_up_to_the_hours_that_the_device_exports(study: Warehouse) -> None:
    differing = study.execute(
        "select count(*), count(*) filter (where minutes.steps <> hours.steps) from staging.stg_hourly_steps as hours"
        " join intermediate.int_user_hour_activity as minutes using (user_id, activity_hour)"
        " where hours.made_from = 'hours'"
    )
    assert differing == [(1104, 0)]


def test_without_its_days_the_minutes_make_them(study: Warehouse) -> None:
    for measure in ("dailySteps", "dailyCalories", "dailyIntensities", "hourlySteps"):
        (path,) = EXPORTS.glob(f"name5_{measure}_*.csv")
        study.retract(MEASURES[measure][0], path.name)
    study.run()
    found = study.frame(
        "select activity_date, steps, made_from from marts.fct_user_day where user_id = 'name5' order by activity_date"
    ).set_index("activity_date")
    exported = by_day(export("name5", "dailySteps"), "activity_date")["total_steps"]
    assert set(found["made_from"]) == {"minutes"}
    minutes = by_day(export("name5", "minuteStepsNarrow"), "activity_minute")["steps"]
    assert found["steps"].to_dict() == minutes.groupby(level=0).sum().to_dict()
    # Fitbit's own days have a few steps more than its minutes
    assert (exported - found["steps"]).between(0, 30).all()
    assert_marts_are_right(study)
