"""The same rows come in whatever they are written in, and a bad one is named by its line."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from ingestion import db
from ingestion.config import Settings
from ingestion.ingest import Plan, ingest
from ingestion.results import FileResult
from ingestion.storage import open_storage
from tests.datasets import DAILY_ACTIVITY
from tests.integration.conftest import Rows

HEADER = "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed,Mood"
ROWS = [
    {"Id": 1503960366, "SleepDay": f"2016-04-{day}", "TotalMinutesAsleep": 327, "total_time_in_bed": 346}
    for day in range(12, 20)
]

Load = Callable[[str, bytes], FileResult]


@pytest.fixture
def load(engine: db.Engine, settings: Settings) -> Load:
    def load(name: str, content: bytes) -> FileResult:
        path = Path(settings.landing_zone) / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
        (result,) = ingest(engine, open_storage(settings.landing_zone), uuid4(), Plan()).files
        return result

    return load


def ndjson(*objects: object) -> bytes:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in objects).encode()


def test_ndjson(load: Load, rows: Rows) -> None:
    result = load("sleep.ndjson", ndjson(*ROWS))
    assert (result.status, result.counts.loaded) == ("loaded", len(ROWS)), result.reason
    assert rows("select distinct user_id, total_minutes_asleep, total_time_in_bed, _extra from raw.sleep") == [
        ("1503960366", 327, 346, None)
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"Id": 1', "not_json"),
        ("[1, 2]", "not_json"),
        ('{"Id": 1, "id": 2}', "not_json"),
        ({**ROWS[0], "Id": None}, "missing_key"),
        ({**ROWS[0], "Id": "1.50396E+09"}, "not_castable"),
        ({**ROWS[0], "TotalMinutesAsleep": 1441}, "out_of_range"),
        ({**ROWS[0], "Note": "\x00"}, "nul_byte"),
        ({**ROWS[0], "Note": "\ud800"}, "undecodable"),
    ],
)
def test_a_bad_object_is_rejected_alone(bad: object, reason: str, load: Load, rows: Rows) -> None:
    result = load("sleep.jsonl.gz", gzip.compress(ndjson(*ROWS[:2], bad, "", *ROWS[2:])))
    assert (result.status, result.counts.loaded) == ("loaded", len(ROWS)), result.reason
    assert rows("select line_number, reason from ops.rejected_rows") == [(3, reason)]


def test_keys_that_are_not_declared_are_kept(load: Load, rows: Rows) -> None:
    result = load("sleep.jsonl", ndjson(*ROWS, {**ROWS[0], "Mood": "good", "Stages": {"rem": [1, None]}, "Nap": False}))
    assert result.counts.loaded == len(ROWS) + 1
    assert rows("select _extra from raw.sleep where _extra is not null") == [
        ({"Mood": "good", "Stages": '{"rem": ["1", null]}', "Nap": "false"},)
    ]


def test_objects_without_a_required_key_are_refused(load: Load) -> None:
    result = load("sleep.jsonl", ndjson({"Id": 1}))
    assert result.status == "refused"
    assert "lack SleepDay" in (result.reason or "")


def test_blank_headers_are_kept_under_their_position(load: Load, rows: Rows) -> None:
    result = load("sleep.csv", f"{HEADER},\n1,2016-04-12,1,2,3,,x\n".encode())
    assert result.extra == ("Mood", "column_7")
    assert rows("select _extra from raw.sleep") == [({"column_7": "x"},)]


def test_drift_is_reported(load: Load) -> None:
    result = load("daily_activity.csv", b"April\nId;ActivityDay;Steps;Calories\n1;4/12/2016;5.0;\n1;4/13/2016;6;7\n")
    assert result.status == "refused"
    names = [column.header for column in DAILY_ACTIVITY.columns]
    header = ";".join(names).replace("ActivityDate", "ActivityDay").replace("TotalSteps", "Steps")
    rows = "".join(f"1;4/{day}/2016;{day}.0" + ";0" * 12 + "\n" for day in range(10, 13))
    result = load("daily_activity.csv", f"April\n{header}\n{rows}".encode())
    assert (result.counts.loaded, tuple(map(str, result.remarks))) == (
        3,
        (
            "1 lines above the header",
            "delimiter ';'",
            "ActivityDay read as ActivityDate",
            "Steps read as TotalSteps",
            "TotalSteps has 3 whole numbers written like 1.0",
        ),
    )


def test_bad_rows_of_a_file_that_is_unpacked_and_transcoded(load: Load, rows: Rows) -> None:
    good = "".join(f"1;2016-04-{day};1;327;346;ü\r\n" for day in range(10, 30))
    text = "Export of April\r\n\r\n" + HEADER.replace(",", ";") + "\r\n" + good + "1;x;1;1;1;ä\r\n"
    result = load("2016/sleep.csv.gz", gzip.compress(text.encode("utf-16")))
    assert (result.counts.loaded, result.counts.rejected) == (20, 1)
    assert rows("select line_number, reason, convert_from(raw_line, 'UTF8') from ops.rejected_rows") == [
        (24, "not_castable", "1;x;1;1;1;ä")
    ]


WHOOP = (
    "Cycle start time,Cycle end time,Cycle timezone,Recovery score %,Sleep onset,Wake onset,"
    "Asleep duration (min),In bed duration (min)\n"
    "2026-02-28 23:10:00,2026-03-01 23:10:00,UTC-05:00,68,2026-02-28 23:15:00,2026-03-01 07:05:00,432,470\n"
    "2026-03-01 23:10:00,,UTC-05:00,70,2026-03-01 23:15:00,2026-03-02 07:05:00,400,450\n"
)
OURA = (
    "date,Sleep Score,Total Sleep Duration,Total Bedtime,Steps,Activity Burn,Total Burn\n"
    "2026-08-22,79,26100,28860,8231,410,2410\n"
    "2026-08-23,,,,9004,500,2500\n"
)


def test_whoop_is_one_persons_sleep_by_the_day_of_waking(load: Load, rows: Rows) -> None:
    result = load("user_id=7/physiological_cycles.csv", WHOOP.encode())
    assert result.counts.loaded == 2, result.reason
    assert rows(
        "select user_id, sleep_day::date::text, total_minutes_asleep, total_time_in_bed, _extra ->> 'Cycle timezone'"
        " from raw.sleep order by 2"
    ) == [("7", "2026-03-01", 432, 470, "UTC-05:00"), ("7", "2026-03-02", 400, 450, "UTC-05:00")]


def test_ouras_trends_are_in_seconds_and_fill_two_tables(load: Load, rows: Rows, settings: Settings) -> None:
    assert load("oura_sleep_user_id=8.csv", OURA.encode()).counts.loaded == 2
    assert rows("select user_id, total_minutes_asleep, total_time_in_bed from raw.sleep order by sleep_day") == [
        ("8", 435, 481),
        ("8", None, None),
    ]
    (Path(settings.landing_zone) / "oura_sleep_user_id=8.csv").unlink()
    assert load("oura_activity_user_id=8.csv", OURA.encode()).counts.loaded == 2
    assert rows("select user_id, total_steps, calories from raw.daily_activity order by activity_date") == [
        ("8", 8231, 2410),
        ("8", 9004, 2500),
    ]


GARMIN_DAYS = [
    {"userProfilePK": 99, "calendarDate": "2026-08-22", "totalSteps": 8231, "totalKilocalories": 2410.6},
    {"userProfilePK": 99, "calendarDate": "2026-08-23", "totalSteps": 9004, "totalDistanceMeters": 6421, "bmr": None},
]
GARMIN_NIGHTS = [
    {
        "sleepStartTimestampGMT": "2026-08-21T21:36:00.0",
        "calendarDate": "2026-08-22",
        "deepSleepSeconds": 4200,
        "lightSleepSeconds": 13860,
        "remSleepSeconds": 4260,
        "awakeSleepSeconds": 1620,
        "unmeasurableSeconds": 0,
        "sleepScores": {"overallScore": 75},
    },
    # an older watch does not know REM; a night without the watch; a broken one
    {"calendarDate": "2026-08-23", "deepSleepSeconds": 3600, "lightSleepSeconds": 7200, "awakeSleepSeconds": 60},
    {"calendarDate": "2026-08-24", "sleepWindowConfirmationType": "OFF_WRIST"},
    {"calendarDate": "2026-08-25", "deepSleepSeconds": "long", "lightSleepSeconds": 7200, "awakeSleepSeconds": 60},
]


def test_garmins_days(load: Load, rows: Rows) -> None:
    result = load(
        "user_id=7/DI-Connect-Aggregator/UDSFile_2026-08-20_2026-11-28.json", json.dumps(GARMIN_DAYS, indent=1).encode()
    )
    assert result.counts.loaded == 2, result.reason
    assert result.extra == ("userProfilePK", "bmr")
    assert rows(
        "select user_id, activity_date::date::text, total_steps, total_distance, calories, _extra"
        " from raw.daily_activity order by activity_date"
    ) == [
        ("7", "2026-08-22", 8231, None, 2411, {"userProfilePK": "99"}),
        ("7", "2026-08-23", 9004, 6.421, None, {"userProfilePK": "99"}),
    ]


def test_garmins_nights_are_the_sum_of_their_stages(load: Load, rows: Rows) -> None:
    name = "user_id=7/2026-08-20_2026-11-28_140089360_sleepData.json"
    result = load(name, json.dumps(GARMIN_NIGHTS).encode())
    assert (result.counts.loaded, result.counts.rejected) == (3, 1), result.reason
    assert rows("select sleep_day::date::text, total_minutes_asleep, total_time_in_bed from raw.sleep order by 1") == [
        ("2026-08-22", 372, 399),
        ("2026-08-23", None, None),
        ("2026-08-24", None, None),
    ]
    # what was added up is kept
    ((extra,),) = rows("select _extra from raw.sleep where sleep_day = '2026-08-22'")
    assert isinstance(extra, dict)
    assert extra["sleepScores"] == '{"overallScore": "75"}'
    assert rows("select total_minutes_deep from raw.sleep where sleep_day = '2026-08-22'") == [(70,)]
    assert rows("select line_number, column_name, reason from ops.rejected_rows") == [
        (4, "total_minutes_deep", "not_castable")
    ]


def test_garmins_nights_without_any_stage_are_another_file(load: Load) -> None:
    result = load("user_id=7/sleepData.json", json.dumps([{"calendarDate": "2026-08-22"}]).encode())
    assert result.status == "refused"
    assert "the objects lack sleepWindowConfirmationType" in (result.reason or "")


@pytest.mark.parametrize("name", ["physiological_cycles.csv", "user_id=7/physiological_cycles_user_id=8.csv"])
def test_an_export_of_nobody_is_refused(name: str, load: Load) -> None:
    result = load(name, WHOOP.encode())
    assert result.status == "refused"
    assert "the path of this Whoop export names no participant" in (result.reason or "")
    assert "user_id=LABEL" in (result.hint or "")
