"""Days and hours are those of the person's time zone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from ingestion.config import Database
from tests.integration.warehouse import KEYS, Warehouse, assert_same, opened

# what `_offset` is where a file is in UTC
IN_UTC = 1440


@pytest.fixture(scope="module")
def built(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with opened(server, template, tmp_path_factory.mktemp("dbt")) as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(built: Warehouse) -> Warehouse:
    """A warehouse without files; dbt has seen the former ones go."""
    for name, source in built.execute(
        "select source_filename, source from ops.raw_ingest_manifest where status = 'loaded'"
    ):
        built.retract(source, name)
    return built


def hours(person: str, offset: int | None, *moments: str, steps: int = 100) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user_id": person,
            "activity_hour": moments,
            "step_total": steps,
            "_offset": pd.array([offset] * len(moments), dtype="Int16"),
        }
    )


def roster(warehouse: Warehouse, **zones: str) -> None:
    warehouse.put(
        "participants", "participants.csv", pd.DataFrame({"user_id": zones.keys(), "time_zone": zones.values()})
    )


def staged(warehouse: Warehouse, person: str) -> list[Any]:
    return warehouse.execute(
        "select activity_hour::text, occurrence, steps from staging.stg_hourly_steps where user_id = %s order by 1, 2",
        (person,),
    )


def daily(warehouse: Warehouse, person: str) -> dict[str, tuple[int, int]]:
    """Return the hours and the steps of each day."""
    found = warehouse.execute(
        "select activity_hour::date::text, count(*), sum(steps) from staging.stg_hourly_steps"
        " where user_id = %s group by 1",
        (person,),
    )
    return {day: (int(count), int(steps)) for day, count, steps in found}


def hours_in_utc(begin: datetime, end: datetime) -> list[str]:
    count = int((end - begin) / timedelta(hours=1))
    return [f"{begin.astimezone(UTC) + timedelta(hours=hour):%Y-%m-%d %H:%M:%S}" for hour in range(count)]


DAYS = [
    ("Europe/Berlin", "2026-03-29", 23),
    ("Europe/Berlin", "2026-10-25", 25),
    ("America/New_York", "2026-03-08", 23),
    ("America/New_York", "2026-11-01", 25),
    ("Asia/Tokyo", "2026-03-29", 24),
    ("Pacific/Kiritimati", "2026-03-29", 24),
]


def test_a_day_has_all_its_hours(warehouse: Warehouse) -> None:
    roster(warehouse, **{f"{zone}-{day}": zone for zone, day, _ in DAYS})
    for zone, day, _ in DAYS:
        begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
        end = (begin.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone))
        moments = hours_in_utc(begin.astimezone(UTC) - timedelta(hours=3), end.astimezone(UTC) + timedelta(hours=3))
        warehouse.put("hourly_steps", f"{zone}-{day}.csv", hours(f"{zone}-{day}", IN_UTC, *moments))
    # so that days of 2026 are plausible
    warehouse.execute("update raw.hourly_steps set _loaded_at = '2027-01-01'")

    warehouse.run()

    for zone, day, length in DAYS:
        found = daily(warehouse, f"{zone}-{day}")
        assert found[day] == (length, 100 * length), zone
        assert sum(count for count, _ in found.values()) == length + 6, zone


ZONES = {
    "Asia/Kolkata": "2026-03-06 01:30:00",
    "Asia/Kathmandu": "2026-03-06 01:45:00",
    "America/St_Johns": "2026-03-05 16:30:00",
    "America/New_York": "2026-03-05 15:00:00",
    "Europe/London": "2026-03-05 20:00:00",
    "europe/berlin": "2026-03-05 21:00:00",
}
MOMENTS = {
    "hourly_steps": ("activity_hour", "step_total"),
    "heart_rate": ("measured_at", "beats_per_minute"),
    "weight": ("weighed_at", "weight_kg"),
    "minute_activity": ("activity_minute", "steps"),
    "sleep_records": ("started_at", "minutes_asleep"),
}


def test_a_time_in_utc_is_put_into_the_zone(warehouse: Warehouse) -> None:
    roster(warehouse, **{zone: zone for zone in ZONES})
    for source, (moment, value) in MOMENTS.items():
        rows = [{"user_id": zone, moment: "2026-03-05 20:00:00", value: 70, "_offset": IN_UTC} for zone in ZONES]
        warehouse.put(source, "file.csv", pd.DataFrame(rows))

    warehouse.run()

    for source, (moment, _) in MOMENTS.items():
        found = dict(warehouse.execute(f"select user_id, {moment}::text from staging.stg_{source}"))
        assert found == ZONES, source


def test_what_no_zone_tells_stays_as_written(warehouse: Warehouse) -> None:
    warehouse.put("hourly_steps", "a.csv", hours("ann", -300, "2026-03-05 23:00:00"))
    warehouse.put("hourly_steps", "b.csv", hours("bob", None, "2026-03-05 23:00:00"))
    # London in winter
    warehouse.put("hourly_steps", "c.csv", hours("cid", 0, "2026-03-05 23:00:00"))
    # what the device shows is the person's time, whatever the roster says
    roster(warehouse, bob="Asia/Tokyo")

    warehouse.run()

    for person in ("ann", "bob", "cid"):
        assert staged(warehouse, person) == [("2026-03-05 23:00:00", 1, 100)]


def test_a_time_in_utc_without_a_zone_has_no_day(warehouse: Warehouse) -> None:
    warehouse.put("hourly_steps", "a.csv", hours("ann", IN_UTC, "2026-03-05 23:00:00", "2026-03-06 00:00:00"))
    warehouse.put("hourly_steps", "b.csv", hours("bob", IN_UTC, "2026-03-05 23:00:00"))
    roster(warehouse, bob="Middle/Earth")

    results = warehouse.build()

    assert staged(warehouse, "ann") == staged(warehouse, "bob") == []
    (warning,) = (each for each in results if each.node.name == "times_in_utc_have_a_day")
    assert (warning.status, warning.failures) == ("warn", 2)
    quality = warehouse.mart("fct_data_quality").set_index("rule")
    counts = ("rows_in", "rows_out", "rows_rejected")
    assert [quality.loc["hourly_steps.known_day", count] for count in counts] == [3, 0, 3]
    assert quality.loc["hourly_steps.plausible_date", "rows_out"] == 3

    roster(warehouse, bob="Asia/Tokyo", ann="Europe/Berlin")
    warehouse.build()

    assert staged(warehouse, "ann") == [("2026-03-06 00:00:00", 1, 100), ("2026-03-06 01:00:00", 1, 100)]
    assert staged(warehouse, "bob") == [("2026-03-06 08:00:00", 1, 100)]
    assert "hourly_steps.known_day" not in warehouse.mart("fct_data_quality")["rule"].tolist()


def test_a_travellers_two_eight_o_clocks_both_count(warehouse: Warehouse) -> None:
    warehouse.put("hourly_steps", "berlin.csv", hours("ann", 60, "2026-03-05 08:00:00", steps=100))
    warehouse.put("hourly_steps", "new_york.csv", hours("ann", -300, "2026-03-05 08:00:00", steps=200))
    # the same file once more is no third hour
    warehouse.put("hourly_steps", "new_york_2.csv", hours("ann", -300, "2026-03-05 08:00:00", steps=200))

    warehouse.run()

    assert staged(warehouse, "ann") == [("2026-03-05 08:00:00", 1, 100), ("2026-03-05 08:00:00", 2, 200)]


def test_a_profile_of_an_archive_has_the_zone_unless_the_roster_has_one(warehouse: Warehouse) -> None:
    profile = pd.DataFrame({"user_id": ["ann", "bob", "B7"], "time_zone": ["Asia/Tokyo"] * 3})
    warehouse.put("profiles", "profile.csv", profile)
    warehouse.put("identifiers", "identifiers.csv", pd.DataFrame({"identifier": ["B7"], "user_id": ["cid"]}))
    roster(warehouse, bob="America/New_York")
    for person in ("ann", "bob", "B7"):
        warehouse.put("hourly_steps", f"{person}.csv", hours(person, IN_UTC, "2026-03-05 20:00:00"))

    warehouse.run()

    assert staged(warehouse, "ann") == [("2026-03-06 05:00:00", 1, 100)]
    assert staged(warehouse, "bob") == [("2026-03-05 15:00:00", 1, 100)]
    assert staged(warehouse, "cid") == [("2026-03-06 05:00:00", 1, 100)]


def test_a_corrected_zone_builds_that_person_again_and_nobody_else(warehouse: Warehouse) -> None:
    day = pd.DataFrame({"activity_date": pd.date_range("2026-03-01", "2026-03-10"), "total_steps": 5000})
    for person in ("ann", "bob"):
        warehouse.put("daily_activity", f"{person}_days.csv", day.assign(user_id=person))
        moments = [f"2026-03-0{number} 23:00:00" for number in range(2, 9)]
        warehouse.put("hourly_steps", f"{person}.csv", hours(person, IN_UTC, *moments))
    roster(warehouse, ann="America/New_York", bob="America/New_York")
    warehouse.run()
    untouched = "select xmin::text, ctid::text from {} where user_id = 'bob' order by 2"
    before = {
        model: warehouse.execute(untouched.format(model))
        for model in ("staging.stg_hourly_steps", "marts.fct_user_day")
    }

    roster(warehouse, ann="Asia/Tokyo", bob="America/New_York")
    warehouse.run()

    assert [row[0] for row in staged(warehouse, "ann")] == [f"2026-03-0{number} 08:00:00" for number in range(3, 10)]
    worn = warehouse.execute(
        "select activity_date::text from marts.fct_user_day where user_id = 'ann' and wear_hours = 1 order by 1"
    )
    assert [each for (each,) in worn] == [f"2026-03-0{number}" for number in range(3, 10)]
    for model, rows in before.items():
        assert rows
        assert warehouse.execute(untouched.format(model)) == rows
    incremental = {mart: warehouse.mart(mart) for mart in KEYS if mart != "fct_data_quality"}
    warehouse.run("--full-refresh")
    for mart, frame in incremental.items():
        assert_same(warehouse.mart(mart), frame, mart)


def test_minutes_of_both_two_o_clocks_of_autumn_add_up(warehouse: Warehouse) -> None:
    begin = datetime(2026, 10, 24, 22, tzinfo=UTC)
    moments = [f"{begin + timedelta(minutes=30 * half):%Y-%m-%d %H:%M:%S}" for half in range(50)]
    roster(warehouse, ann="Europe/Berlin")
    minutes = pd.DataFrame({"user_id": "ann", "activity_minute": moments, "steps": 10, "_offset": IN_UTC})
    warehouse.put("minute_activity", "minutes.csv", minutes)
    warehouse.execute("update raw.minute_activity set _loaded_at = '2027-01-01'")

    warehouse.run()

    assert warehouse.execute(
        "select activity_date::text, steps from staging.stg_daily_activity where user_id = 'ann'"
    ) == [("2026-10-25", 500)]
