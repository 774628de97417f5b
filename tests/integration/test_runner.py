"""A run records itself, ends in the right way, and leaves nothing half done, whatever happens to it."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from ingestion import db, log, runner
from ingestion.config import ROOT, Database, Settings
from ingestion.errors import StatementError
from ingestion.ingest import ingest
from ingestion.run_tracker import DIED, RunTracker, ensure_pipeline_runs_table
from tests.integration.conftest import Rows

HEADER = "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed\n"
GOOD = "1503960366,4/12/2016 12:00:00 AM,1,327,346\n"


@pytest.fixture
def landing(settings: Settings) -> Path:
    return Path(settings.landing_zone)


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, object]]]]:
    stream = io.StringIO()
    log.configure("json", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    log.logger.handlers.clear()
    log.logger.propagate = True


@contextmanager
def process(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    database = settings.database
    assert database is not None
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PG", "DB_", "DATABASE_"))},
        **database.environment,
        "PIPELINE_LOG_FORMAT": "json",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "ingestion", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        yield child
        child.kill()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_run_is_recorded_with_its_steps(
    settings: Settings, landing: Path, rows: Rows, logged: Callable[[], list[dict[str, object]]]
) -> None:
    (landing / "sleep.csv").write_text(HEADER + GOOD + "bad\n")
    result = runner.run(settings, "ingest")
    assert result.exit_code == 0
    assert rows("select run_id::text, status, command, exit_code, error_summary from ops.pipeline_runs") == [
        (str(result.run_id), "success", "ingest", 0, None)
    ]
    assert rows(
        "select step, attempt, status, rows_in, rows_out, rows_rejected from ops.pipeline_steps order by started_at"
    ) == [("migrate", 1, "skipped", None, None, None), ("ingest", 1, "success", 2, 1, 1)]
    steps = [(line["step"], line["status"]) for line in logged() if "status" in line]
    assert steps == [
        ("run", "started"),
        ("migrate", "started"),
        ("migrate", "success"),
        ("ingest", "started"),
        ("ingest", "success"),
        ("run", "success"),
    ]
    for line in logged():
        assert line["run_id"] == str(result.run_id)
        assert isinstance(line.get("duration_ms", 0), int)


def test_the_first_run_records_the_migration_too(empty_database: Database, tmp_path: Path) -> None:
    settings = Settings(database=empty_database, data_dir=str(tmp_path), use_manifest=True)
    assert runner.run(settings, "migrate").exit_code == 0
    with db.session(db.create_engine(settings)) as connection, connection.cursor() as cursor:
        cursor.execute("select step, status, jsonb_array_length(detail -> 'applied') > 5 from ops.pipeline_steps")
        assert cursor.fetchall() == [("migrate", "success", True)]
        cursor.execute("select count(distinct run_id) = 1 from ops.schema_migrations")
        assert cursor.fetchone() == (True,)


def test_a_refused_file_ends_the_run_as_failure_and_keeps_the_good_ones(
    settings: Settings, landing: Path, rows: Rows
) -> None:
    (landing / "sleep.csv").write_text("Id\n1\n")
    (landing / "sleep_2026-01-20.csv").write_text(HEADER + GOOD)
    result = runner.run(settings, "ingest")
    assert result.exit_code == 65
    ((status, summary),) = rows("select status, error_summary from ops.pipeline_runs")
    assert status == "failure"
    assert isinstance(summary, str)
    assert summary.startswith("ingest: ")
    assert "sleep.csv" in summary
    assert "TotalMinutesAsleep" in summary
    assert rows("select count(*) from raw.sleep") == [(1,)]


def test_a_missing_directory_is_a_configuration_error(settings: Settings, landing: Path, rows: Rows) -> None:
    result = runner.run(replace(settings, data_dir=str(landing / "nowhere")), "ingest")
    assert result.exit_code == 78
    assert rows("select status, exit_code from ops.pipeline_runs") == [("failure", 78)]


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    nowhere = Database({"host": str(tmp_path), "dbname": "x", "user": "x"}, "DATABASE_URL")
    result = runner.run(Settings(database=nowhere, db_wait_seconds=0.3), "ingest")
    assert result.exit_code == 69
    assert "waited 0.3 s" in (result.error_summary or "")


def test_a_refusal_by_the_database_is_not_waited_for(database: Database) -> None:
    absent = replace(database, parameters={**database.parameters, "dbname": "no_such_database"})
    started = time.monotonic()
    result = runner.run(Settings(database=absent, db_wait_seconds=60), "ingest")
    assert result.exit_code == 78
    assert time.monotonic() - started < 30


def test_a_statement_that_fails_has_its_sqlstate_in_the_record(
    settings: Settings, landing: Path, rows: Rows, engine: db.Engine
) -> None:
    (landing / "sleep.csv").write_text(HEADER + GOOD)
    with db.transaction(engine) as connection, connection.cursor() as cursor:
        cursor.execute("drop table raw.sleep")
    result = runner.run(settings, "ingest")
    assert result.exit_code == 1
    assert rows("select sqlstate from ops.pipeline_steps where step = 'ingest'") == [("42P01",)]
    assert (result.error_summary or "").startswith("ingest: StatementError [42P01]: ")


def test_a_bug_is_recorded_and_exits_70(
    settings: Settings, landing: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("1503960366 slept 327 minutes")

    monkeypatch.setattr("ingestion.steps.ingest", broken)
    result = runner.run(settings, "ingest")
    assert result.exit_code == 70
    assert rows("select status, error_summary from ops.pipeline_runs") == [
        ("failure", "ingest: ZeroDivisionError: see the log")
    ]


def test_a_deadlock_is_tried_again(
    settings: Settings, landing: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    (landing / "sleep.csv").write_text(HEADER + GOOD)
    calls: list[int] = []

    def deadlocks_once(*arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise StatementError("deadlock detected", sqlstate="40P01")
        return ingest(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("ingestion.steps.ingest", deadlocks_once)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    assert runner.run(settings, "ingest").exit_code == 0
    assert rows("select attempt, status, sqlstate from ops.pipeline_steps where step = 'ingest' order by attempt") == [
        (1, "failure", "40P01"),
        (2, "success", None),
    ]


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_while_the_server_is_busy(
    signum: signal.Signals, code: int, landing: Path, settings: Settings, rows: Rows
) -> None:
    engine = db.create_engine(settings)
    (landing / "sleep.csv").write_text(HEADER + GOOD)
    with db.transaction(engine) as connection, connection.cursor() as cursor:
        # the load waits for us inside one statement
        cursor.execute("lock table raw.sleep in access exclusive mode")
        with process(settings, "ingest", "--data-dir", str(landing), "--use-manifest") as child:
            waiting = (
                "select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%copy %'"
            )
            wait_for(lambda: rows(waiting) == [(True,)])
            child.send_signal(signum)
            stdout, stderr = child.communicate(timeout=10)
    assert child.returncode == code
    assert f"interrupted by {signum.name}" in stderr
    assert "Traceback" not in stdout + stderr
    assert rows("select status, exit_code from ops.pipeline_runs") == [("failure", code)]
    assert rows("select count(*) from raw.sleep") == [(0,)]
    assert rows("select count(*) from ops.raw_ingest_manifest") == [(0,)]


def test_a_killed_run_is_found_by_the_next_one(
    settings: Settings, landing: Path, rows: Rows, engine: db.Engine
) -> None:
    (landing / "sleep.csv").write_text(HEADER + GOOD)
    with db.transaction(engine) as connection, connection.cursor() as cursor:
        cursor.execute("lock table raw.sleep in access exclusive mode")
        with process(settings, "ingest", "--data-dir", str(landing), "--use-manifest") as child:
            wait_for(lambda: rows("select count(*) from ops.pipeline_steps where step = 'ingest'") == [(1,)])
            child.kill()
            child.wait(timeout=10)
    assert rows("select status from ops.pipeline_runs") == [("running",)]
    assert runner.run(settings, "ingest").exit_code == 0
    assert rows("select status, error_summary from ops.pipeline_runs order by started_at") == [
        ("failure", DIED),
        ("success", None),
    ]
    assert rows("select status from ops.pipeline_steps order by started_at")[:2] == [("skipped",), ("failure",)]
    assert rows("select count(*) from raw.sleep") == [(1,)]


def test_a_living_run_is_not_taken_for_a_dead_one(engine: db.Engine, settings: Settings, rows: Rows) -> None:
    with RunTracker(engine, uuid4(), "ingest") as tracker:
        tracker.record_from_here()
        assert runner.run(replace(settings, on_concurrent_run="decline"), "ingest").exit_code == 75
        assert rows("select status from ops.pipeline_runs") == [("running",)]


def test_a_second_run_waits_for_the_first_and_says_so(
    engine: db.Engine, settings: Settings, landing: Path, logged: Callable[[], list[dict[str, object]]]
) -> None:
    with RunTracker(engine, uuid4(), "ingest") as first:
        first.record_from_here()
        ended = threading.Event()

        def end_when_the_second_waits() -> None:
            wait_for(lambda: any("another run is in progress" in str(line["message"]) for line in logged()))
            ended.set()

        watcher = threading.Thread(target=end_when_the_second_waits)
        watcher.start()
        second = threading.Thread(target=lambda: _enter_and_leave(engine))
        second.start()
        assert ended.wait(20)
        assert second.is_alive()
    second.join(20)
    watcher.join()
    assert not second.is_alive()


def _enter_and_leave(engine: db.Engine) -> None:
    with RunTracker(engine, uuid4(), "ingest") as tracker:
        tracker.record_from_here()


def test_a_lost_connection_ends_the_run_as_69_and_is_recorded(
    settings: Settings, landing: Path, rows: Rows, engine: db.Engine
) -> None:
    (landing / "sleep.csv").write_text(HEADER + GOOD)
    with db.transaction(engine) as connection, connection.cursor() as cursor:
        cursor.execute("lock table raw.sleep in access exclusive mode")
        with process(settings, "ingest", "--data-dir", str(landing), "--use-manifest") as child:
            waiting = (
                "select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%copy %'"
            )
            wait_for(lambda: rows(waiting) == [(True,)])
            rows(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name like 'wearables-pipeline%' and wait_event_type is distinct from null"
                f" and pid <> pg_backend_pid() and pid <> {connection.get_backend_pid()}"
            )
            _, stderr = child.communicate(timeout=20)
    assert child.returncode == 69, stderr
    assert rows("select status, exit_code from ops.pipeline_runs") == [("failure", 69)]
    assert rows("select count(*) from raw.sleep") == [(0,)]


def test_the_termination_log_gets_the_summary(settings: Settings, landing: Path, tmp_path: Path) -> None:
    (landing / "sleep.csv").write_text("Id\n1\n")
    target = tmp_path / "termination-log"
    result = runner.run(replace(settings, termination_log=target), "ingest")
    assert target.read_text() == result.error_summary


def test_the_seed_s_commands(settings: Settings, landing: Path, rows: Rows) -> None:
    (landing / "sleep.csv").write_text(HEADER + GOOD)
    database = settings.database
    assert database is not None
    done = subprocess.run(
        [sys.executable, "-m", "ingestion.ingest", "--data-dir", str(landing), "--use-manifest"],
        cwd=ROOT,
        env={**os.environ, **database.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rows("select count(*) from raw.sleep") == [(1,)]


def test_ensure_pipeline_runs_table(empty_database: Database) -> None:
    engine = db.create_engine(Settings(database=empty_database))
    for _ in range(2):
        ensure_pipeline_runs_table(engine)
    with db.session(engine) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from ops.pipeline_runs, ops.pipeline_steps")
        assert cursor.fetchone() == (0,)
