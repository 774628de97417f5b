"""One export of Apple Health fills five tables, each of them exactly once, and the marts have its days."""

from dataclasses import replace
from uuid import uuid4

import pytest

from ingestion import db, retraction, runner
from ingestion.config import Settings
from ingestion.ingest import Plan, ingest
from ingestion.replay import replay
from ingestion.sources import dataset_named
from ingestion.steps import RunOptions
from ingestion.storage import open_storage
from tests.apple import BODY_MASS, HEART_RATE, STEPS, archive, export, record, sleep
from tests.drops import Landing

TABLES = {"daily_activity", "sleep", "hourly_steps", "heart_rate", "weight"}
NAME = "user_id=7/export.zip"
RECORDS = (
    *(
        record(
            STEPS, f"2026-03-{day:02} {hour:02}:10:00", f"2026-03-{day:02} {hour:02}:20:00", str(100 * hour), dataset
        )
        for day in range(1, 4)
        for hour in range(8, 18)
        for dataset in ("Anna&#8217;s Phone", "Watch")
    ),
    record(HEART_RATE, "10:00:00", "10:00:00", "72"),
    record(HEART_RATE, "10:00:05", "10:00:05", "450"),
    record(BODY_MASS, "07:00:00", "07:00:00", "155", "Scale, bathroom", unit="lb", HKWasUserEntered="0"),
    sleep("23:00:00", "2026-03-02 06:00:00", "AsleepCore"),
    sleep("2026-03-02 22:00:00", "2026-03-02 21:00:00", "AsleepCore"),
)


def test_an_export_is_loaded_once_into_each_table(landing: Landing) -> None:
    landing.put(NAME, archive(export(*RECORDS)))
    result = landing.ingest()
    assert {(file.dataset, file.status) for file in result.files} == {(table, "loaded") for table in TABLES}
    assert landing.rows(
        "select user_id, activity_date::date::text, total_steps from raw.daily_activity order by 2"
    ) == [("7", f"2026-03-0{day}", sum(range(800, 1800, 100))) for day in (1, 2, 3)]
    assert landing.rows("select count(*), sum(step_total) from raw.hourly_steps") == [(30, 37_500)]
    assert landing.rows(
        "select user_id, sleep_day::date::text, total_minutes_asleep, total_time_in_bed, _extra from raw.sleep"
    ) == [("7", "2026-03-02", 420, 420, {"Watch": "420"})]
    assert landing.rows("select measured_at::text, beats_per_minute, _extra from raw.heart_rate") == [
        ("2026-03-01 10:00:00", 72, {"sourceName": "Watch"})
    ]
    assert landing.rows("select weight_kg, is_manual_report, _extra ->> 'sourceName' from raw.weight") == [
        (70.3068, False, "Scale, bathroom")
    ]
    assert landing.rows("select column_name, reason from ops.rejected_rows order by 1") == [
        ("beats_per_minute", "out_of_range"),
        ("total_minutes_asleep", "not_castable"),
    ]
    landing.check()
    again = landing.ingest()
    assert {(file.dataset, file.status) for file in again.files} == {(table, "skipped") for table in TABLES}
    landing.put("user_id=7/again/export.zip", landing.root.joinpath(NAME).read_bytes())
    assert {file.status for file in landing.ingest().files} == {"skipped", "duplicate"}
    landing.check()


def test_a_later_export_takes_the_place_of_the_earlier_one(landing: Landing) -> None:
    landing.put(NAME, archive(export(*RECORDS)))
    landing.ingest()
    landing.put(NAME, archive(export(*RECORDS, record(STEPS, "2026-03-04 10:00:00", "2026-03-04 10:00:00", "1"))))
    assert {file.status for file in landing.ingest().files} == {"replaced"}
    assert landing.rows("select count(*) from raw.daily_activity") == [(4,)]
    assert landing.rows("select count(*) from raw.weight") == [(1,)]
    landing.check()


@pytest.mark.parametrize("name", ["export.zip", "export.xml", "user_id=7/user_id=8/apple_health_export.zip"])
def test_an_export_of_nobody_is_refused(name: str, landing: Landing) -> None:
    landing.put(name, archive(export(*RECORDS)) if name.endswith("zip") else export(*RECORDS))
    result = landing.ingest()
    assert {file.status for file in result.files} == {"refused"}
    assert {file.reason for file in result.files} == {
        "the path of this Apple Health export names no participant, or several"
    }


def test_translated_names_and_unpacked_files_are_loaded(landing: Landing) -> None:
    landing.put("user_id=7/export.zip", archive(export(RECORDS[0]), "Exportación.xml"))
    landing.put("export_user_id=8.xml", export(RECORDS[0]))
    landing.put("user_id=9/apple_health_export_2026-03-05.zip", archive(export(RECORDS[0]) + b" ", "导出.xml"))
    landing.ingest()
    assert landing.users("raw.daily_activity") == [7, 8, 9]


def test_an_archive_without_an_export_and_an_incomplete_export_are_refused(landing: Landing) -> None:
    landing.put("user_id=7/export.zip", archive(b"", "notes.txt"))
    landing.put("user_id=8/export.xml", export(*RECORDS)[:-500])
    result = landing.ingest()
    assert {(file.filename[:9], file.status, file.reason) for file in result.files} == {
        ("user_id=7", "refused", "the archive holds 0 matching files instead of 1"),
        ("user_id=8", "refused", "the export is incomplete"),
    }
    assert landing.rows("select count(*) from raw.daily_activity") == [(0,)]


def test_special_words_in_device_names_do_not_prevent_a_copy(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any other file, `nan` may be a number that has to be judged."""
    monkeypatch.delattr("ingestion.load.file._FileLoad._load_sorted")
    landing.put(NAME, archive(export(record(HEART_RATE, "10:00:00", "10:00:00", "72", "Fernando_s Watch, now"))))
    assert {file.status for file in landing.ingest().files} == {"loaded"}
    assert landing.rows("select _extra from raw.heart_rate") == [({"sourceName": "Fernando_s Watch, now"},)]


def test_rejected_rows_are_judged_again(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.put(NAME, archive(export(*RECORDS)))
    landing.ingest()
    heart_rate = dataset_named("heart_rate")
    columns = tuple(replace(column, maximum=500 if column.maximum else None) for column in heart_rate.columns)
    exports = tuple(
        replace(each, columns=tuple(replace(c, maximum=500 if c.maximum else None) for c in each.columns))
        for each in heart_rate.exports
    )
    mended = {"heart_rate": replace(heart_rate, columns=columns, exports=exports)}
    monkeypatch.setattr("ingestion.replay.dataset_named", lambda name: mended.get(name) or dataset_named(name))
    landing.rows("alter table raw.heart_rate drop constraint heart_rate_beats_per_minute_check; select 1")
    with db.transaction(landing.engine) as connection:
        replays = replay(connection, "raw", NAME)
    assert {each.dataset: (each.loaded, each.rejected) for each in replays} == {
        **dict.fromkeys(TABLES, (0, 0)),
        "heart_rate": (1, 0),
        "sleep": (0, 1),
    }
    assert landing.rows("select user_id, beats_per_minute, _extra from raw.heart_rate order by 2") == [
        ("7", 72, {"sourceName": "Watch"}),
        ("7", 450, {"sourceName": "Watch"}),
    ]
    landing.check()


def test_a_dry_run_tells_of_each_table_and_leaves_nothing(landing: Landing) -> None:
    landing.put(NAME, archive(export(*RECORDS)))
    result = ingest(landing.engine, open_storage(str(landing.root)), uuid4(), Plan(dry_run=True))
    assert {file.dataset: file.faults for file in result.files if file.faults} == {
        "heart_rate": (("out_of_range", "beats_per_minute", 1),),
        "sleep": (("not_castable", "total_minutes_asleep", 1),),
    }
    assert landing.rows("select count(*) from ops.raw_ingest_manifest") == [(0,)]


def test_it_is_retracted_and_a_person_erased_everywhere(landing: Landing) -> None:
    landing.put(NAME, archive(export(*RECORDS)))
    landing.put("user_id=8/export.xml", export(*RECORDS))
    landing.ingest()
    with db.transaction(landing.engine) as connection:
        out = retraction.retract(connection, "raw", NAME, "wrong person", uuid4())
    assert {file.dataset for file in out} == TABLES
    assert landing.users("raw.heart_rate") == [8]
    assert {file.status for file in landing.ingest().files if file.filename == NAME} == {"retracted"}
    with db.transaction(landing.engine) as connection:
        retraction.erase(connection, "raw", "8", "a long random secret", uuid4())
    for table in TABLES:
        assert landing.users(f"raw.{table}") == []
    assert landing.rows("select count(*) from ops.rejected_rows") == [(0,)]
    landing.check()


def test_a_file_is_archived_once_all_its_tables_are_loaded(landing: Landing, settings: Settings) -> None:
    landing.put(NAME, archive(export(*RECORDS)))
    assert runner.run(replace(settings, archive=True), "ingest").exit_code == 0
    assert not (landing.root / NAME).exists()
    assert runner.run(replace(settings, archive=True), "ingest").exit_code == 0


def test_a_part_that_was_not_loaded_keeps_the_file_where_it_is(landing: Landing, settings: Settings) -> None:
    """All stages of sleep but one are none: that table is refused, the others are loaded."""
    bad = [sleep("02:00:00", "01:00:00", "Asleep") for _ in range(5)]
    landing.put(NAME, archive(export(*RECORDS, *bad)))
    result = runner.run(replace(settings, archive=True), "ingest")
    assert result.exit_code == 65
    assert (landing.root / NAME).exists()
    assert len(landing.users("raw.daily_activity")) == 3
    assert landing.users() == []
    # and a person who takes the file out has not to hear of that table again
    with db.transaction(landing.engine) as connection:
        retraction.retract(connection, "raw", NAME, "wrong person", uuid4())
    result = runner.run(settings, "ingest")
    assert result.exit_code == 0
    assert result.ingest
    assert result.ingest.by_status() == {"retracted": 5}


def test_its_steps_and_nights_are_in_the_marts(landing: Landing, settings: Settings) -> None:
    landing.put(NAME, archive(export(*RECORDS)))
    result = runner.run(settings, "run", RunOptions())
    assert result.exit_code == 0, result.error_summary
    assert landing.rows(
        "select activity_date::text, steps, minutes_asleep, wear_hours from marts.fct_user_day where user_id = '7'"
        " order by 1"
    ) == [("2026-03-01", 12_500, None, 10), ("2026-03-02", 12_500, 420, 10), ("2026-03-03", 12_500, None, 10)]
