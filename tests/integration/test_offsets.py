"""An offset from UTC that a file has is kept beside the time on the clock."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ingestion import db
from ingestion.replay import replay
from ingestion.results import FileResult
from ingestion.sources import dataset_named
from tests.drops import Landing
from tests.seen_before import forget_files

HEART = "select measured_at::text, _offset, beats_per_minute from raw.heart_rate order by beats_per_minute"
HOURS = "select activity_hour::text, _offset, step_total from raw.hourly_steps order by step_total"


def heart(*moments: str) -> str:
    return "Id,Time,Value\n" + "".join(f"1,{moment},{beat}\n" for beat, moment in enumerate(moments, 60))


def load(landing: Landing, content: str, name: str = "heart_rate.csv") -> FileResult:
    landing.put(name, content.encode())
    (result,) = landing.ingest().files
    assert result.counts.read == result.counts.loaded + result.counts.rejected + result.counts.blank
    return result


@pytest.mark.parametrize(
    ("written", "offset"),
    [
        ("2026-03-05T04:00:00-05:00", -300),
        ("2026-03-05 04:00:00 +0200", 120),
        ("2026-03-05T04:00:00+05:45", 345),
        ("2026-03-05 04:00:00.000+01", 60),
        ("2026-03-05 04:00:00 UTC-0500", -300),
        ("2026-03-05T04:00:00+00:00", 0),
        ("2026-03-05T04:00:00Z", 1440),
        ("2026-03-05T04:00:00-00:00", 1440),
        ("3/25/2026 4:00:00 AM -0500", -300),
        ("3/25/2026 4:00:00 AM EST", -300),
        ("20260305T040000+0100", 60),
        ("2026-03-05T04:00:00+14:00", 840),
        ("2026-03-05T04:00:00-12:00", -720),
        ("2026-03-05T04:00:00+01:00[Europe/Berlin]", 60),
        ("2026-03-05T04:00:00", None),
        ("3/25/2026 4:00:00 AM", None),
    ],
)
def test_an_offset_is_kept_beside_the_time_on_the_clock(landing: Landing, written: str, offset: int | None) -> None:
    assert load(landing, heart(written)).counts.loaded == 1

    day = "25" if "/25/" in written else "05"
    assert landing.rows(HEART) == [(f"2026-03-{day} 04:00:00", offset, 60)]


@pytest.mark.parametrize("offset", ["+25:00", "+99:00", "+15:00", "-13:00", " IST", " Europe/Berlin", "+1:2:3"])
def test_an_offset_that_no_clock_has_is_a_bad_value(landing: Landing, offset: str) -> None:
    result = load(landing, heart("2026-03-05T04:00:00", f"2026-03-05T04:00:05{offset}", "2026-03-05T04:00:10"))

    assert landing.rows(HEART) == [("2026-03-05 04:00:00", None, 60), ("2026-03-05 04:00:10", None, 62)]
    assert result.counts.rejected == 1
    assert landing.rows("select column_name, reason from ops.rejected_rows") == [("measured_at", "not_castable")]


@pytest.mark.parametrize("size", [3, 40_000])
@pytest.mark.parametrize(("offset", "minutes"), [("+01:00", 60), ("-05:00", -300), ("Z", 1440)])
def test_one_offset_far_behind_the_beginning_is_kept(landing: Landing, size: int, offset: str, minutes: int) -> None:
    moments = [f"2026-03-05 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}" for second in range(size)]
    moments[-2] += offset

    load(landing, "Id,Time,Value\n" + "".join(f"1,{moment},60\n" for moment in moments))

    assert landing.rows("select _offset, count(*) from raw.heart_rate group by 1 order by 1") == [
        (minutes, 1),
        (None, size - 1),
    ]


@pytest.mark.parametrize("offset", [" -0500", " EST"])
def test_an_offset_behind_a_date_with_slashes_is_kept(landing: Landing, offset: str) -> None:
    moments = [f"4/15/2026 1:{second // 60:02}:{second % 60:02} PM" for second in range(3000)]
    moments[-1] += offset

    load(landing, "Id,Time,Value\n" + "".join(f"1,{moment},60\n" for moment in moments))

    assert landing.rows("select measured_at::text from raw.heart_rate where _offset = -300") == [
        ("2026-04-15 13:49:59",)
    ]


def test_rows_without_an_offset_have_none_among_those_with_one(landing: Landing) -> None:
    load(landing, heart("2026-03-05T04:00:00-05:00", "2026-03-05T04:00:05", "2026-03-05T04:00:10+02:00"))

    assert [row[1] for row in landing.rows(HEART)] == [-300, None, 120]


def test_a_bad_row_leaves_the_offsets_of_the_others(landing: Landing) -> None:
    """Rows without an offset go to COPY as they are, and rows with one are judged."""
    content = heart("2026-03-05 04:00:00", "2026-03-05 04:00:05+01:00", "2026-03-05 04:00:10")

    result = load(landing, f"{content}1,2026-03-05 04:00:15,fast\n")

    assert result.counts.rejected == 1
    assert [row[1] for row in landing.rows(HEART)] == [None, 60, None]


def test_a_file_of_hours_keeps_both_eight_o_clocks_of_a_traveller(landing: Landing) -> None:
    load(
        landing,
        "Id,ActivityHour,StepTotal\n1,2026-03-05T08:00:00+01:00,100\n1,2026-03-05T08:00:00-05:00,200\n",
        "hourly_steps.csv",
    )

    assert landing.rows(HOURS) == [("2026-03-05 08:00:00", 60, 100), ("2026-03-05 08:00:00", -300, 200)]


def test_a_day_has_no_offset(landing: Landing) -> None:
    """Days are those of the file, and its fields need none."""
    load(landing, "Id,SleepDay,TotalMinutesAsleep,TotalTimeInBed\n1,2026-03-05T00:00:00+01:00,1,2\n", "sleep.csv")

    assert landing.rows("select sleep_day::text from raw.sleep") == [("2026-03-05 00:00:00",)]


@pytest.fixture
def _forgotten() -> Iterator[None]:
    """Nothing is kept of files under other declarations."""
    forget_files()
    yield
    forget_files()


@pytest.mark.usefixtures("_forgotten")
def test_times_of_a_file_in_utc_have_no_offset_of_a_place(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean file goes to COPY whole; one with a bad row is judged in part, and an offset that is written counts."""
    dataset = dataset_named("heart_rate")
    layouts = tuple(replace(layout, clock="UTC") for layout in dataset.layouts)
    monkeypatch.setitem(dataset.__dict__, "layouts", layouts)

    load(landing, heart("2026-03-05 04:00:00", "2026-03-05 04:00:05"))
    assert landing.rows(HEART) == [("2026-03-05 04:00:00", 1440, 60), ("2026-03-05 04:00:05", 1440, 61)]

    load(landing, heart("2026-03-06 04:00:00", "2026-03-06 04:00:05+01:00", "oops"))
    assert [row[1] for row in landing.rows("select measured_at, _offset from raw.heart_rate where _file_id > 1")] == [
        1440,
        60,
    ]


def test_a_replayed_row_has_the_offset_that_is_written(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.put("heart_rate.csv", b"Id,Time,Value\n1,2026-03-05T04:00:00-05:00,60\n1,2026-03-05T04:00:05+02:00,450\n")
    landing.ingest()
    dataset = dataset_named("heart_rate")
    columns = tuple(replace(column, maximum=500 if column.maximum else None) for column in dataset.columns)
    monkeypatch.setattr("ingestion.replay.dataset_named", lambda _name: replace(dataset, columns=columns))
    landing.rows("alter table raw.heart_rate drop constraint heart_rate_beats_per_minute_check; select 1")

    with db.transaction(landing.engine) as connection:
        (replayed,) = replay(connection, "raw", "heart_rate.csv")

    assert replayed.loaded == 1
    assert landing.rows(HEART) == [("2026-03-05 04:00:00", -300, 60), ("2026-03-05 04:00:05", 120, 450)]
