"""What a run does ends with the locks that it holds: whoever takes them finds nothing of it at work."""

import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from hashlib import sha256
from uuid import uuid4

import psycopg2
import pytest

from ingestion import db, retraction, runner
from ingestion.config import Database, Settings
from ingestion.errors import RunLostError
from ingestion.ingest import Plan, ingest
from ingestion.run_tracker import DIED, RunTracker
from ingestion.steps import RunOptions
from ingestion.storage import open_storage
from tests.commands import started
from tests.drops import Landing, activity, sleep

KEY = "a long random secret"
GATE = 4712
PERSON = 1503960366
# the idle connection that holds the locks of runs: it is in no transaction and executes nothing
END_LOCKS = (
    "select count(pg_terminate_backend(a.pid, 10000)) from pg_stat_activity as a"
    " where a.datname = current_database() and a.application_name like 'wearables-pipeline%' and a.state = 'idle'"
    " and exists (select from pg_locks as l where l.pid = a.pid and l.locktype = 'advisory' and l.granted)"
)


@pytest.fixture
def gate(database: Database) -> Iterator[db.Connection]:
    """A session at whose gate every COPY into raw.sleep waits at the row of user 15000."""
    connection = psycopg2.connect(database.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "create function public.hold_up() returns trigger language plpgsql as"
            f" $$ begin perform pg_advisory_xact_lock({GATE}); return new; end $$;"
            " create trigger hold_up before insert on raw.sleep for each row"
            " when (new.user_id = '15000') execute function public.hold_up();"
            f" select pg_advisory_lock({GATE})"
        )
    yield connection
    connection.close()


def until(landing: Landing, condition: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while landing.rows(f"select {condition}") != [(True,)]:
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def wait_at_the_gate(landing: Landing) -> None:
    until(landing, f"exists (select from pg_locks where locktype = 'advisory' and objid = {GATE} and not granted)")


def started_for(
    landing: Landing, database: Database, *arguments: str, **variables: str
) -> AbstractContextManager[subprocess.Popen[str]]:
    return started(*arguments, **variables, **landing_variables(landing), DATABASE_URL=database.dsn)


def landing_variables(landing: Landing) -> dict[str, str]:
    out = landing.root.parent
    return {
        "PIPELINE_DATA_DIR": str(landing.root),
        "PIPELINE_USE_MANIFEST": "1",
        "DBT_TARGET_PATH": str(out / "target"),
        "DBT_LOG_PATH": str(out / "logs"),
    }


def runs(landing: Landing) -> list[tuple[object, ...]]:
    return landing.rows("select command, status, exit_code, error_summary from ops.pipeline_runs order by started_at")


def open_steps(landing: Landing) -> list[tuple[object, ...]]:
    return landing.rows("select step from ops.pipeline_steps where status = 'running'")


def test_a_run_that_loses_its_locks_ends_as_a_failure(
    landing: Landing, database: Database, gate: db.Connection
) -> None:
    landing.put("sleep.csv", sleep(1, 15_000))
    with started_for(landing, database, "ingest") as process:
        wait_at_the_gate(landing)
        assert landing.rows(END_LOCKS) == [(1,)]
        _, stderr = process.communicate(timeout=15)
    assert process.returncode == 69, stderr
    lost = "ingest: RunLostError: the run has lost the connection that holds its locks"
    assert runs(landing) == [("ingest", "failure", 69, lost)]
    assert open_steps(landing) == []
    assert landing.users() == []
    landing.check()


def test_an_erased_participant_does_not_come_back_with_a_run_that_has_lost_its_locks(
    landing: Landing, database: Database, gate: db.Connection, settings: Settings
) -> None:
    landing.put("a/sleep.csv", sleep(PERSON, 15_000))
    landing.put("b/sleep.csv", sleep(PERSON, 2))
    with started_for(landing, database, "ingest", PIPELINE_ERASURE_KEY=KEY) as process:
        wait_at_the_gate(landing)
        # it cannot notice anything before the participant is erased
        process.send_signal(signal.SIGSTOP)
        assert landing.rows(END_LOCKS) == [(1,)]
        erasing = replace(settings, erasure_key=KEY, lock_wait_seconds=20)
        erased = runner.run(erasing, "erase", RunOptions(user_id=str(PERSON)))
        assert erased.exit_code == 0, erased.error_summary
        gate.close()
        process.send_signal(signal.SIGCONT)
        _, stderr = process.communicate(timeout=15)
    assert process.returncode == 69, stderr
    assert landing.users() == []
    assert [run[:3] for run in runs(landing)] == [("ingest", "failure", None), ("erase", "success", 0)]
    assert runs(landing)[0][3] == DIED
    assert open_steps(landing) == []
    # a later run loads the rest
    assert runner.run(erasing, "ingest").exit_code == 0
    assert landing.users() == [2, 15_000]
    landing.check()


def test_the_marts_of_an_erased_participant_do_not_come_back_either(
    landing: Landing, database: Database, settings: Settings
) -> None:
    landing.put("daily_activity.csv", activity(PERSON, 2))
    landing.ingest()
    holding = psycopg2.connect(database.dsn)
    with holding.cursor() as cursor:
        cursor.execute("lock table raw.daily_activity in access exclusive mode")
    of_dbt = "select from pg_stat_activity where application_name like 'dbt%' and datname = current_database()"
    with started_for(landing, database, "transform") as process:
        until(landing, f"exists ({of_dbt} and wait_event_type = 'Lock')", 120)
        process.send_signal(signal.SIGSTOP)
        landing.rows(END_LOCKS)
        holding.close()
        erasing = replace(settings, erasure_key=KEY, lock_wait_seconds=20)
        result = runner.run(erasing, "erase", RunOptions(user_id=str(PERSON)))
        assert result.exit_code == 0, result.error_summary
        assert landing.rows(f"select exists ({of_dbt})") == [(False,)]
        process.send_signal(signal.SIGCONT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 69, stderr
    assert landing.users("marts.fct_user_day") == [2]
    assert [run[:3] for run in runs(landing)] == [("transform", "failure", None), ("erase", "success", 0)]


def test_a_run_that_was_declared_dead_does_not_become_a_success(landing: Landing) -> None:
    run_id = uuid4()

    def lose() -> None:
        with RunTracker(landing.engine, run_id, "ingest") as tracker:
            tracker.record_from_here()
            landing.rows(END_LOCKS)
            with RunTracker(landing.engine, uuid4(), "erase") as other:
                other.record_from_here()

    with pytest.raises(RunLostError):
        lose()
    assert runs(landing) == [("ingest", "failure", None, DIED), ("erase", "success", 0, None)]


def test_a_run_that_loses_its_locks_in_the_end_is_no_success(landing: Landing) -> None:
    def lose() -> None:
        with RunTracker(landing.engine, uuid4(), "ingest") as tracker:
            tracker.record_from_here()
            landing.rows(END_LOCKS)

    with pytest.raises(RunLostError):
        lose()
    assert [run[:3] for run in runs(landing)] == [("ingest", "failure", 69)]


def test_a_run_without_its_locks_can_open_no_connection(landing: Landing, settings: Settings) -> None:
    run_id = uuid4()
    engine = db.create_engine(settings, run_id=run_id)
    with pytest.raises(RunLostError), db.session(engine):
        pass
    tracker = RunTracker(landing.engine, run_id, "ingest")
    tracker.__enter__()
    with db.session(engine), db.session(engine) as left:
        landing.rows(END_LOCKS)
        with pytest.raises(RunLostError), db.session(engine):
            pass
        with RunTracker(landing.engine, uuid4(), "ingest"), pytest.raises(RunLostError), db.session(engine):
            pass
        assert is_ended(left)
    with pytest.raises(RunLostError):
        tracker.__exit__(None, None, None)


def is_ended(connection: db.Connection) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except psycopg2.Error:
        return True
    return False


def test_the_connections_of_a_run_without_a_record_are_ended_as_well(landing: Landing, settings: Settings) -> None:
    run_id = uuid4()

    def lose() -> None:
        with RunTracker(landing.engine, run_id, "ingest"):
            landing.rows(f"delete from ops.pipeline_runs where run_id = '{run_id}' returning 1")
            with db.session(db.create_engine(settings, run_id=run_id)) as left:
                landing.rows(END_LOCKS)
                with RunTracker(landing.engine, uuid4(), "erase"):
                    assert is_ended(left)

    with pytest.raises(RunLostError):
        lose()


def test_a_file_transaction_sees_who_was_erased_since_it_began(
    landing: Landing, settings: Settings, gate: db.Connection
) -> None:
    """Even where no lock of a run keeps the two apart."""
    landing.put("sleep.csv", sleep(PERSON, 15_000))
    with ThreadPoolExecutor(1) as pool:
        ingesting = pool.submit(ingest, landing.engine, open_storage(str(landing.root)), uuid4(), Plan(erasure_key=KEY))
        wait_at_the_gate(landing)
        with db.transaction(landing.engine) as connection:
            retraction.erase(connection, settings.schema, str(PERSON), KEY, uuid4())
        gate.close()
        ingesting.result(30)
    assert landing.users() == [15_000]
    assert landing.rows("select rows_erased from ops.raw_ingest_manifest") == [(1,)]
    landing.check()


def test_a_file_transaction_sees_what_was_retracted_since_it_began(landing: Landing, gate: db.Connection) -> None:
    content = sleep(1, 15_000)
    landing.put("sleep.csv", content)
    with ThreadPoolExecutor(1) as pool:
        ingesting = pool.submit(landing.statuses)
        wait_at_the_gate(landing)
        landing.rows(
            "insert into ops.raw_ingest_manifest (source_filename, checksum, status, source, size_bytes) values"
            f" ('twin/sleep.csv', '{sha256(content).hexdigest()}', 'retracted', 'sleep', {len(content)}) returning 1"
        )
        gate.close()
        assert ingesting.result(30) == {"sleep.csv": "retracted"}
    assert landing.users() == []
