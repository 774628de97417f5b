"""No wait for the server lasts for ever, and a signal ends a command within seconds, whatever the driver waits for."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from uuid import uuid4

import psycopg2
import pytest

from ingestion import db, runner
from ingestion.config import Database, Settings
from ingestion.db import run_lock
from ingestion.errors import DatabaseUnavailableError, RunLostError
from ingestion.run_tracker import RunTracker
from tests.commands import started, variables_of
from tests.drops import Landing, sleep
from tests.proxy import Proxy

# what a signal may take, and what an overloaded machine adds
OBEYED_WITHIN = 5.0 + 1.0
# a log that a person reads, and the stacks of a process that hangs
READABLE = {"PIPELINE_LOG_FORMAT": "text", "PYTHONFAULTHANDLER": "1"}


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with Proxy(database) as proxy:
        yield proxy


@pytest.fixture
def behind(proxy: Proxy, settings: Settings) -> Settings:
    return replace(settings, database=proxy.database)


def until_it_handles_signals(pid: int) -> None:
    """Wait until the process has handlers for SIGTERM and SIGINT."""
    wanted = 1 << (signal.SIGTERM - 1) | 1 << (signal.SIGINT - 1)
    deadline = time.monotonic() + 30
    while True:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
        caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
        if caught & wanted == wanted:
            return
        assert time.monotonic() < deadline
        time.sleep(0.005)


def until_it_has_sent(process: subprocess.Popen[str], proxy: Proxy, count: int) -> None:
    deadline = time.monotonic() + 60
    while proxy.passed["to_server"] < count:
        if process.poll() is not None or time.monotonic() > deadline:
            # PYTHONFAULTHANDLER makes it write where its threads are
            process.send_signal(signal.SIGABRT)
            _, stderr = process.communicate(timeout=10)
            pytest.fail(f"{proxy.passed}\n{stderr}")
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("command", "stalls_after", "signum"),
    [
        # while it connects, while the run opens, and in the middle of a file
        ("ingest", 0, signal.SIGTERM),
        ("ingest", 3_000, signal.SIGTERM),
        ("ingest", 200_000, signal.SIGTERM),
        ("ingest", 200_000, signal.SIGINT),
        ("status", 0, signal.SIGTERM),
        ("ls", 0, signal.SIGINT),
    ],
)
def test_a_signal_is_obeyed_while_the_network_swallows_everything(  # noqa: PLR0917
    command: str, stalls_after: int, signum: signal.Signals, proxy: Proxy, settings: Settings, landing: Landing
) -> None:
    behind = replace(settings, database=proxy.database)
    landing.put("sleep.csv", sleep(*range(1, 20_001)))
    if stalls_after:
        proxy.stall_after(stalls_after, "to_server")
    else:
        proxy.stall()
    with started(command, **variables_of(behind), **READABLE) as process:
        if stalls_after:
            until_it_has_sent(process, proxy, stalls_after)
        else:
            until_it_handles_signals(process.pid)
        time.sleep(0.5)
        process.send_signal(signum)
        sent = time.monotonic()
        _, stderr = process.communicate(timeout=20)
        took = time.monotonic() - sent
    assert process.returncode == 128 + signum, stderr
    assert took < OBEYED_WITHIN
    assert "Traceback" not in stderr

    # whatever it has left behind, the next run on a healthy connection loads the file
    proxy.cut()
    assert runner.run(replace(settings, lock_wait_seconds=20), "ingest").exit_code == 0
    assert landing.users() == list(range(1, 20_001))
    assert landing.rows("select count(*) from ops.pipeline_runs where status = 'running'") == [(0,)]
    assert landing.rows("select count(*) from ops.pipeline_steps where status = 'running'") == [(0,)]
    landing.check()


def test_another_ingest_does_not_wait_for_one_whose_network_has_gone(
    proxy: Proxy, settings: Settings, behind: Settings, landing: Landing
) -> None:
    landing.put("a/sleep.csv", sleep(*range(1, 20_001)))
    proxy.stall_after(200_000, "to_server")
    with started("ingest", **variables_of(behind), **READABLE) as process:
        until_it_has_sent(process, proxy, 200_000)
        landing.put("b/sleep.csv", sleep(30_000))
        began = time.monotonic()
        result = runner.run(settings, "ingest")
        assert time.monotonic() - began < 15
    assert result.exit_code == 0, result.error_summary
    assert landing.users() == [30_000]


def test_a_run_whose_network_has_gone_notices_it(
    proxy: Proxy, behind: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "_PING_EVERY_SECONDS", 0.2)
    monkeypatch.setattr(run_lock, "_PING_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr("ingestion.run_tracker._RECONNECT_SECONDS", 0.1)
    run_id, lost = uuid4(), Event()

    def wait_for_ever() -> None:
        with db.session(db.create_engine(behind, run_id=run_id)) as connection, connection.cursor() as cursor:
            proxy.stall()
            cursor.execute("select 1")

    def run() -> None:
        engine = db.create_engine(behind, connect_seconds=2)
        with RunTracker(engine, run_id, "ingest", on_loss=lambda _: lost.set()):
            wait_for_ever()

    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError):
        run()
    assert lost.is_set()
    assert time.monotonic() - began < 15


def test_no_statement_waits_much_longer_than_its_timeout(proxy: Proxy, behind: Settings) -> None:
    """The server would end it in time, but its answer does not arrive."""
    impatient = replace(behind, statement_timeout_seconds=1)

    def ask() -> None:
        with db.session(db.create_engine(impatient)) as connection, connection.cursor() as cursor:
            proxy.stall()
            cursor.execute("select 1")

    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError):
        ask()
    assert time.monotonic() - began < 6


def options_of(connection: db.Connection) -> tuple[int, ...]:
    """Return SO_KEEPALIVE, the times of TCP's keepalives in seconds, and its user timeout in milliseconds."""
    with socket.socket(fileno=os.dup(connection.fileno())) as its:
        return (
            its.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            its.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            its.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
            its.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            its.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        )


def test_every_connection_notices_a_peer_that_is_gone(proxy: Proxy, behind: Settings) -> None:
    with db.session(db.create_engine(behind)) as connection:
        assert options_of(connection) == (1, 10, 5, 4, 30_000)


def test_the_connections_of_dbt_notice_it_too_and_are_tied_to_the_run(proxy: Proxy, behind: Settings) -> None:
    run_id = uuid4()
    is_lost = Event()

    def run() -> None:
        with (
            RunTracker(db.create_engine(behind), run_id, "transform", on_loss=lambda _: is_lost.set()),
            db.connections_of_dbt(db.SessionLimits.of(behind), run_id) as losses,
        ):
            connection = psycopg2.connect(proxy.database.dsn, connect_timeout=10, application_name="dbt")
            assert options_of(connection) == (1, 10, 5, 4, 30_000)
            with connection.cursor() as cursor:
                cursor.execute("select current_setting('application_name'), current_setting('statement_timeout')")
                assert cursor.fetchone() == (f"dbt run {run_id.hex}", "1h")
            assert losses == []
            proxy.cut()
            with connection.cursor() as cursor, pytest.raises(psycopg2.OperationalError):
                cursor.execute("select 1")
            assert len(losses) == 1
            # until the run knows, a new connection may be cut with the others instead
            assert is_lost.wait(timeout=10)
            with pytest.raises(psycopg2.OperationalError, match="has lost the connection that holds its locks"):
                psycopg2.connect(proxy.database.dsn)

    with pytest.raises(RunLostError):
        run()


def test_the_address_of_the_database_may_say_otherwise(proxy: Proxy, behind: Settings) -> None:
    parameters = {**proxy.database.parameters, "keepalives_idle": "60", "tcp_user_timeout": "5000"}
    database = replace(proxy.database, parameters=parameters)
    with db.session(db.create_engine(replace(behind, database=database))) as connection:
        assert options_of(connection) == (1, 60, 5, 4, 5_000)


def test_the_server_frees_what_a_client_that_is_gone_has_locked(settings: Settings) -> None:
    names = (
        "client_connection_check_interval",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "lock_timeout",
        "statement_timeout",
    )
    with db.session(db.create_engine(settings)) as connection, connection.cursor() as cursor:
        cursor.execute("select current_setting(name) from unnest(%s) as name", (list(names),))
        assert [value for (value,) in cursor.fetchall()] == ["2s", "1h", "0", "1min", "1h"]
        # PostgreSQL shows these as 0 on a Unix socket
        if connection.info.dsn_parameters["host"].startswith("/"):
            return
        cursor.execute("select current_setting('tcp_user_timeout') as a, current_setting('tcp_keepalives_idle') as b")
        assert cursor.fetchone() == ("30000", "10")
