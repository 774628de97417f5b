"""Retracted files and erased participants are removed everywhere and stay removed; and other options of an ingest."""

import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from ingestion import db, manifest, retraction, runner
from ingestion.config import Settings
from ingestion.run_tracker import RunTracker
from ingestion.steps import RunOptions
from ingestion.storage import open_storage
from tests.datasets import SLEEP
from tests.drops import SLEEP_HEADER, Invoke, Landing, activity, sleep

KEY = "a long random secret"


def retract(landing: Landing, settings: Settings, name: str) -> None:
    with db.transaction(landing.engine) as connection:
        retraction.retract(connection, settings.schema, name, "wrong study", uuid4())


def test_a_retracted_content_is_removed_and_not_loaded_under_any_name(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1, 2) + b"bad\n")
    landing.put("other/sleep.csv", sleep(3))
    landing.ingest()
    retract(landing, settings, "sleep.csv")
    assert landing.users() == [3]
    assert landing.rows("select count(*) from ops.rejected_rows") == [(0,)]
    assert landing.rows("select status, reason from ops.raw_ingest_manifest where source_filename = 'sleep.csv'") == [
        ("retracted", "wrong study")
    ]
    landing.put("again/sleep.csv", sleep(1, 2) + b"bad\n")
    assert landing.statuses() == {
        "sleep.csv": "retracted",
        "again/sleep.csv": "retracted",
        "other/sleep.csv": "skipped",
    }
    assert landing.users() == [3]
    landing.check()


def test_a_corrected_file_loads_after_a_retraction(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1, 2))
    landing.ingest()
    retract(landing, settings, "sleep.csv")
    landing.put("sleep.csv", sleep(1))
    assert landing.statuses() == {"sleep.csv": "loaded"}
    assert landing.users() == [1]


def test_reload_loads_a_retracted_file(landing: Landing, settings: Settings, invoke: Invoke) -> None:
    landing.put("sleep.csv", sleep(1, 2))
    landing.put("other/sleep.csv", sleep(3))
    landing.ingest()
    retract(landing, settings, "sleep.csv")
    result = runner.run(settings, "reload", RunOptions(filenames=("sleep.csv",)))
    assert result.exit_code == 0, result.error_summary
    assert result.ingest is not None
    assert [(file.filename, file.status) for file in result.ingest.files] == [("sleep.csv", "loaded")]
    assert landing.users() == [1, 2, 3]
    landing.check()


def test_a_file_that_is_not_loaded_cannot_be_retracted(invoke: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("retract", "nowhere.csv", "--reason", "none") == 64
    assert "nowhere.csv is not loaded" in capsys.readouterr().err


def test_force_loads_a_loaded_file_again(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1, 2))
    landing.ingest()
    result = runner.run(settings, "ingest", RunOptions(force=True))
    assert result.ingest is not None
    assert [file.status for file in result.ingest.files] == ["replaced"]
    assert landing.users() == [1, 2]
    landing.check()


def test_reload_of_a_missing_file_is_a_usage_error(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1))
    result = runner.run(settings, "reload", RunOptions(filenames=("nowhere.csv",)))
    assert result.exit_code == 64
    assert "nowhere.csv" in (result.error_summary or "")


def test_an_erased_participant_is_removed_everywhere_and_not_loaded_again(
    landing: Landing,
    settings: Settings,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    person, other = 1503960366, 7
    landing.put("sleep.csv", sleep(person, other) + f"{person},not a date,1,2,3\n".encode())
    landing.put("daily_activity.csv", activity(person, other))
    assert invoke("run") == 0
    assert landing.rows(f"select count(*) > 0 from marts.fct_user_day where user_id = '{person}'") == [(True,)]

    capsys.readouterr()
    assert invoke("erase", "--user-id", str(person)) == 78
    assert "PIPELINE_ERASURE_KEY" in capsys.readouterr().err
    assert landing.users() == [other, person]

    monkeypatch.setenv("PIPELINE_ERASURE_KEY", KEY)
    assert invoke("erase", "--user-id", str(person)) == 0
    captured = capsys.readouterr()
    receipt = json.loads(captured.out[captured.out.index("{\n") :])
    assert receipt["rows"]["raw.sleep"] == 1
    assert receipt["rows"]["raw.daily_activity"] == 1
    assert receipt["rows"]["ops.rejected_rows"] == 1
    assert receipt["files"] == ["daily_activity.csv", "sleep.csv"]
    assert receipt["user_hash"] == retraction.hash_user(KEY, str(person))
    assert str(person) not in captured.out + captured.err
    assert everywhere(landing, person) == []
    landing.check()

    landing.put("new/sleep.csv", sleep(person, 8) + f"{person},not a date,1,2,3\n".encode() + b"9,not a date,1,2,3\n")
    assert invoke("run") == 0
    assert everywhere(landing, person) == []
    assert landing.users() == [other, 8]
    assert landing.rows(
        "select rows_read, row_count, rows_rejected, rows_erased from ops.raw_ingest_manifest"
        " where source_filename = 'new/sleep.csv'"
    ) == [(4, 1, 1, 2)]

    monkeypatch.delenv("PIPELINE_ERASURE_KEY")
    assert invoke("run") == 78


def everywhere(landing: Landing, person: int) -> list[str]:
    """Return every table that has the participant's id in any column."""
    tables = landing.rows(
        "select format('%I.%I', table_schema, table_name) from information_schema.tables"
        " where table_schema not in ('pg_catalog', 'information_schema')"
    )
    text = "convert_to(t::text, 'UTF8')"
    found = []
    for (table,) in tables:
        column = "t.raw_line" if table == "ops.rejected_rows" else text
        if landing.rows(f"select 1 from {table} as t where position(convert_to('{person}', 'UTF8') in {column}) > 0"):
            found.append(str(table))
    return found


def test_a_dry_run_shows_what_would_happen_and_changes_nothing(
    landing: Landing, invoke: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    landing.put("known/sleep.csv", sleep(1))
    landing.put("sleep.csv", sleep(2))
    landing.ingest()
    before = landing.rows("select * from ops.raw_ingest_manifest order by 1")
    landing.put("sleep.csv", sleep(3))
    landing.put("daily_activity.csv", activity(1))
    landing.put("twin/daily_activity.csv", activity(1))
    landing.put("sleep_2.csv", f"{SLEEP_HEADER},Mood\n5,4/12/2016,1,2,3,good\n5,soon,1,2,3,\n".encode())
    landing.put("sleep_3.csv", b"Id\n1\n")
    landing.put("stress.csv", b"Id\n1\n")
    assert invoke("ingest", "--dry-run") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "skipped" in lines["known/sleep.csv"]
    assert "changed" in lines["sleep.csv"]
    assert "new" in lines["daily_activity.csv"]
    assert "duplicate" in lines["twin/daily_activity.csv"]
    assert "1 not_castable in sleep_day; undeclared columns: Mood" in lines["sleep_2.csv"]
    assert "refused" in lines["sleep_3.csv"]
    assert "unknown" in lines["stress.csv"]
    assert landing.users() == [1, 2]
    assert landing.rows("select * from ops.raw_ingest_manifest order by 1") == before
    assert landing.rows("select count(*) from ops.pipeline_runs") == [(0,)]
    assert invoke("ingest", "--check") == 1


def test_check_passes_for_good_files(landing: Landing, invoke: Invoke) -> None:
    landing.put("sleep.csv", sleep(1))
    assert invoke("ingest", "--check") == 0
    assert landing.users() == []


def test_a_dry_run_does_not_apply_sql(landing: Landing, invoke: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    landing.rows("delete from ops.schema_migrations where file like '002%' returning 1")
    landing.put("sleep.csv", sleep(1))
    assert invoke("ingest", "--dry-run") == 78


def test_rejected_rows_are_listed_shown_and_exported(
    landing: Landing, invoke: Invoke, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    landing.put("sleep.csv", sleep(1, 2) + b"3,4/12/2016,planted,2,3\n3,\xff,1,2,3\n")
    landing.ingest()
    capfdbinary.readouterr()
    assert invoke("rejected", "list") == 0
    listed = capfdbinary.readouterr().out
    assert b"sleep.csv  sleep    not_castable  total_sleep_records" in listed
    assert b"undecodable" in listed
    assert invoke("rejected", "show", "sleep.csv") == 0
    shown = capfdbinary.readouterr().out
    assert b"sleep       4  not_castable" in shown
    assert b"planted" not in listed + shown
    assert invoke("rejected", "export", "sleep.csv") == 0
    assert capfdbinary.readouterr().out == b"3,4/12/2016,planted,2,3\n3,\xff,1,2,3\n"
    for what in ("show", "export"):
        assert invoke("rejected", what, "slep.csv") == 64
        assert b"slep.csv is not loaded" in capfdbinary.readouterr().err


@pytest.mark.parametrize("workers", [1, 3])
def test_several_workers_load_each_file_once(landing: Landing, settings: Settings, workers: int) -> None:
    for number in range(20):
        landing.put(f"{number}/sleep.csv", sleep(number))
    landing.put("twin/sleep.csv", sleep(3))
    result = runner.run(replace(settings, workers=workers), "ingest")
    assert result.exit_code == 0, result.error_summary
    assert result.ingest is not None
    assert result.ingest.by_status() == {"loaded": 20, "duplicate": 1}
    assert landing.users() == list(range(20))
    landing.check()


def test_a_failed_worker_stops_the_others(landing: Landing, settings: Settings) -> None:
    for number in range(20):
        landing.put(f"{number}/sleep.csv", sleep(number))
    landing.put("daily_activity.csv", activity(1))
    landing.rows("alter table raw.daily_activity rename to gone; select 1")
    result = runner.run(replace(settings, workers=3), "ingest")
    assert result.exit_code == 1
    assert "42P01" in (result.error_summary or "")
    landing.rows("alter table raw.gone rename to daily_activity; select 1")
    assert runner.run(replace(settings, workers=3), "ingest").exit_code == 0
    assert landing.users() == list(range(20))
    landing.check()


def test_vanished_files_are_reported_and_their_rows_stay(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.put("other/sleep.csv", sleep(2)).unlink()
    landing.put("other/sleep.csv", sleep(2))
    landing.ingest()
    (landing.root / "other/sleep.csv").unlink()
    result = landing.ingest()
    assert result.vanished == ["other/sleep.csv"]
    assert landing.users() == [1, 2]


def test_ingest_shares_the_lock_and_run_does_not(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1))
    declining = replace(settings, on_concurrent_run="decline")
    with RunTracker(landing.engine, uuid4(), "ingest", shared=True):
        assert runner.run(declining, "ingest").exit_code == 0
        assert runner.run(declining, "transform").exit_code == 75


def test_rejected_rows_are_replayed_after_a_corrected_declaration(
    landing: Landing, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = landing.put("sleep.csv", sleep(1, 5) + b"2,4/12/2016,1,1500,1500\n3,soon,1,2,3\n")
    assert invoke("run") == 0
    path.unlink()
    landing.put("other/sleep.csv", sleep(9))
    landing.rows("alter table raw.sleep drop constraint sleep_total_minutes_asleep_check; select 1")
    landing.rows("alter table raw.sleep drop constraint sleep_total_time_in_bed_check; select 1")
    columns = tuple(replace(column, maximum=None) for column in SLEEP.columns)
    corrected = replace(SLEEP, columns=columns)
    monkeypatch.setattr("ingestion.replay.dataset_named", {"sleep": corrected}.__getitem__)
    assert invoke("rejected", "replay", "sleep.csv") == 0
    assert "1 rows loaded, 1 still in quarantine" in capsys.readouterr().err
    assert landing.users() == [1, 2, 5]
    assert landing.rows("select line_number, reason from ops.rejected_rows") == [(5, "not_castable")]
    assert landing.rows("select count(*) from staging.stg_sleep") == [(3,)]
    landing.check()
    assert invoke("rejected", "replay", "nowhere.csv") == 64


def test_retract_vanished_retracts_vanished_files(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.put("other/sleep.csv", sleep(2))
    landing.ingest()
    (landing.root / "other/sleep.csv").unlink()
    result = runner.run(settings, "ingest", RunOptions(retract_vanished=True))
    assert [file.filename for file in result.retracted] == ["other/sleep.csv"]
    assert landing.users() == [1]
    landing.check()


def test_an_unsettled_file_is_left_to_the_next_run(landing: Landing, settings: Settings) -> None:
    path = landing.put("sleep.csv", sleep(1))
    landing.put("sleep.csv.part", sleep(2))
    landing.put("sleep.csv.done", b"")
    careful = replace(settings, min_age_seconds=3600)
    result = runner.run(careful, "ingest")
    assert result.ingest is not None
    assert result.ingest.by_status() == {"unsettled": 1}
    an_hour_ago = path.stat().st_mtime - 3601
    os.utime(path, (an_hour_ago, an_hour_ago))
    assert runner.run(careful, "ingest").exit_code == 0
    assert landing.users() == [1]


def test_since_ignores_older_files(landing: Landing, invoke: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = landing.put("old/sleep.csv", sleep(1)), landing.put("sleep.csv", sleep(2))
    os.utime(old, (0, 0))
    assert invoke("ingest", "--since", "2020-01-01") == 0
    assert landing.users() == [2]
    assert new.exists()
    assert "no longer" not in capsys.readouterr().out
    assert invoke("ingest", "--since", "yesterday") == 64


def test_an_ingest_waits_for_the_claim_of_a_dead_worker(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1))
    connection = landing.engine.raw_connection()
    assert manifest.reserve(connection, "raw", [("sleep", "sleep.csv")])[0].is_claimed
    death = threading.Timer(1.0, connection.close)
    death.start()
    assert landing.statuses() == {"sleep.csv": "loaded"}
    death.join()


def test_since_may_ignore_every_file(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.ingest()
    assert runner.run(settings, "ingest", RunOptions(since=datetime(2100, 1, 1, tzinfo=UTC))).exit_code == 0


def test_archive_moves_loaded_files(landing: Landing, settings: Settings) -> None:
    landing.put("a/sleep.csv", sleep(1))
    landing.put("sleep.csv", sleep(2))
    landing.put("twin/sleep.csv", sleep(1))
    landing.put("sleep_2.csv", b"Id\n1\n")
    landing.put("stress.csv", b"Id\n1\n")
    archiving = replace(settings, archive=True)
    assert runner.run(archiving, "ingest").exit_code == 65
    left = sorted(
        path.relative_to(landing.root).as_posix()
        for path in landing.root.rglob("*")
        if path.is_file() and ".recent" not in path.parts
    )
    assert [name for name in left if not name.startswith(".archive/")] == [
        "sleep_2.csv",
        "stress.csv",
        "twin/sleep.csv",
    ]
    assert sorted(name.split("/", 2)[2] for name in left[:-3]) == ["a/sleep.csv", "sleep.csv"]
    for name in ("sleep_2.csv", "stress.csv", "twin/sleep.csv"):
        (landing.root / name).unlink()
    result = runner.run(archiving, "ingest")
    assert result.exit_code == 0, result.error_summary
    assert result.ingest is not None
    assert result.ingest.vanished == []
    landing.put("sleep.csv", sleep(3))
    assert runner.run(archiving, "ingest").exit_code == 0
    assert landing.users() == [1, 3]
    landing.check()


def test_a_newer_file_is_not_archived(landing: Landing) -> None:
    landing.put("sleep.csv", sleep(1))
    storage = open_storage(str(landing.root))
    (loaded,) = storage.list()
    landing.put("sleep.csv", sleep(2, 3))
    assert not storage.archive(loaded, "0" * 64)
    assert (landing.root / "sleep.csv").read_bytes() == sleep(2, 3)


def test_a_participant_named_only_by_the_path_is_erased_from_quarantine(landing: Landing, settings: Settings) -> None:
    """The exports of some devices have no id in their rows."""
    header = "Cycle start time,Sleep onset,Wake onset,Asleep duration (min),In bed duration (min)\n"
    name = "user_id=4711/physiological_cycles.csv"
    good = "2024-01-01 22:00:00,2024-01-01 23:00:00,2024-01-02 07:00:00,400,450\n"
    landing.put(name, (header + good + good.replace("400", "many")).encode())
    landing.put("sleep.csv", sleep(5))
    landing.ingest()
    assert landing.rows("select count(*) from ops.rejected_rows") == [(1,)]
    with db.transaction(landing.engine) as connection:
        retraction.erase(connection, "raw", "4711", KEY, uuid4())
    assert landing.rows("select count(*) from ops.rejected_rows") == [(0,)]
    assert landing.users() == [5]
    landing.check()
    runner.run(replace(settings, erasure_key=KEY), "ingest", RunOptions(force=True))
    assert landing.rows("select count(*) from ops.rejected_rows") == [(0,)]
    assert landing.users() == [5]
    landing.check()


def test_an_erased_participant_leaves_quarantine_under_each_identifier(landing: Landing) -> None:
    """Rejected rows have the identifier of the export, and not the id of the roster."""
    landing.put("identifiers.csv", b"identifier,user_id\n1503960366,P1\n7,P2\n")
    rows = [f"{user},4/12/2016 12:00:00 AM,1,{minutes},346" for user in (1503960366, 7) for minutes in (327, "many")]
    landing.put("sleep.csv", "\n".join([SLEEP_HEADER, *rows, ""]).encode())
    landing.ingest()
    with db.transaction(landing.engine) as connection:
        receipt = retraction.erase(connection, "raw", "P1", KEY, uuid4())
    assert receipt.rows["raw.sleep"] == 1
    assert landing.users() == [7]
    lines = landing.rows("select convert_from(raw_line, 'UTF8') from ops.rejected_rows")
    assert [line for (line,) in lines] == ["7,4/12/2016 12:00:00 AM,1,many,346"]
    landing.check()
