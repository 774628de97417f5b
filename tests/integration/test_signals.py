"""A signal at any moment: the exit code says so, the record says the same, and nothing stays open."""

import importlib
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from unittest.mock import patch

import psycopg2
import pytest

from ingestion import db, log, runner
from ingestion.config import Database, Settings
from ingestion.errors import Interrupted
from ingestion.run_tracker import RunTracker
from ingestion.signals import Interruptible
from tests.commands import started, variables_of
from tests.drops import Landing, sleep


def handles(pid: int, signum: signal.Signals) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return any(int(line.split()[1], 16) >> (signum - 1) & 1 for line in lines if line.startswith("SigCgt"))


def runs(landing: Landing) -> list[tuple[object, ...]]:
    return landing.rows("select status, exit_code from ops.pipeline_runs order by started_at")


def test_a_signal_during_migrate_is_recorded_with_its_command_and_exit_code(
    landing: Landing, settings: Settings, database: Database
) -> None:
    # as after an upgrade: a migration is pending, and another process is applying it
    newest = "(select max(file) from ops.schema_migrations)"
    assert landing.rows(f"delete from ops.schema_migrations where file = {newest} returning true")
    holding = psycopg2.connect(database.dsn)
    with holding.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (db.lock_name("migrate"),))
    with started("ingest", **variables_of(settings)) as process:
        deadline = time.monotonic() + 30
        while landing.rows("select count(*) from ops.pipeline_runs") != [(1,)]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # the step begins right after the record of the run, and then waits for the lock
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=15)
    holding.close()
    assert process.returncode == 143
    assert landing.rows(
        "select command, status, exit_code, application_version is not null, error_summary from ops.pipeline_runs"
    ) == [("ingest", "failure", 143, True, "migrate: Interrupted: interrupted by SIGTERM")]
    assert landing.rows("select step, status, error_summary from ops.pipeline_steps") == [
        ("migrate", "failure", "Interrupted: interrupted by SIGTERM")
    ]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_signal_while_the_end_is_recorded_does_not_contradict_the_record(
    when: str, landing: Landing, settings: Settings
) -> None:
    landing.put("sleep.csv", sleep(1))
    record_end = RunTracker._record_end

    def interrupted(tracker: RunTracker, connection: db.Connection, exc: BaseException | None) -> str | None:
        if when == "before":
            os.kill(os.getpid(), signal.SIGTERM)
        try:
            return record_end(tracker, connection, exc)
        finally:
            if when == "after":
                os.kill(os.getpid(), signal.SIGTERM)

    with patch.object(RunTracker, "_record_end", interrupted):
        result = runner.run(settings, "ingest")
    assert runs(landing) == [("failure" if result.exit_code else "success", result.exit_code)]
    assert landing.rows("select step from ops.pipeline_steps where status = 'running'") == []


def test_the_exit_code_is_that_of_the_record_whenever_the_signal_comes(landing: Landing, settings: Settings) -> None:
    landing.put("sleep.csv", sleep(1))
    for step in range(20):
        with started("ingest", **variables_of(settings)) as process:
            while not handles(process.pid, signal.SIGTERM):
                time.sleep(0.001)
            # from the first instruction to after the end
            time.sleep(step * 0.1)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
        assert process.returncode in {0, 143}, step
        recorded = landing.rows("delete from ops.pipeline_runs returning status, exit_code")
        status = "failure" if process.returncode else "success"
        assert recorded in ([], [(status, process.returncode)]), step
        assert recorded or process.returncode == 143, step


def test_a_signal_is_not_raised_during_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python before 3.12 would raise a RuntimeError in its place, and the exit code would be that of a bug."""
    (tmp_path / "interrupted_module.py").write_text(
        """import os, signal, time

class Named:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(100):
            time.sleep(0.001)

class Owner:
    named = Named()
"""
    )
    monkeypatch.syspath_prepend(tmp_path)

    def import_and_wait() -> None:
        with Interruptible():
            importlib.import_module("interrupted_module")
            time.sleep(5)

    with pytest.raises(Interrupted):
        import_and_wait()
    assert sys.modules.pop("interrupted_module").Owner


def test_a_signal_is_not_raised_while_the_lock_of_the_log_is_held() -> None:
    """Raised there, it could leave the lock locked, and every thread that logs would wait for ever."""
    arrived: list[str] = []

    class Interrupting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            arrived.append(record.getMessage())
            # once: the thread that the signal wakes logs, too
            if len(arrived) == 1:
                os.kill(os.getpid(), signal.SIGTERM)
                for _ in range(1_000):
                    time.sleep(0)

    def log_and_wait() -> None:
        with Interruptible():
            log.event("first", level=log.ERROR)
            time.sleep(5)

    handler = Interrupting()
    log.logger.addHandler(handler)
    try:
        with pytest.raises(Interrupted):
            log_and_wait()
    finally:
        log.logger.removeHandler(handler)
    assert arrived[0] == "first"
    other = threading.Thread(target=handler.acquire, daemon=True)
    other.start()
    other.join(5)
    assert not other.is_alive()
