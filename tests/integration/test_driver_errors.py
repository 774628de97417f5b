"""Whatever the driver reports becomes an error with a message, a hint and the right exit code."""

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest

from ingestion import db, run_tracker, runner
from ingestion.config import Database, Settings
from ingestion.errors import ConfigurationError, DatabaseUnavailableError
from ingestion.results import Command
from tests.conftest import create_database, drop_database, execute
from tests.drops import Landing, sleep
from tests.integration.conftest import Rows
from tests.proxy import Direction, Proxy

# Connecting, the locks and migrate are in the first 3,000 bytes. The steps are primes, so that the cuts fall on every
# part of the messages. CUT_STEP=1 cuts after each byte, in a few minutes.
FIRST, STEP = 3_000, int(os.environ.get("CUT_STEP", "13"))
LATER_STEP = 19 * STEP

_names = count(1)


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with Proxy(database) as proxy:
        yield proxy


@pytest.fixture
def _gives_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_tracker, "_RECONNECT_SECONDS", 2.0)


@pytest.mark.usefixtures("_gives_up_soon")
@pytest.mark.parametrize("direction", ["to_server", "to_client"])
def test_a_connection_cut_after_any_byte_is_reported_as_lost(
    direction: Direction, proxy: Proxy, landing: Landing, settings: Settings, rows: Rows
) -> None:
    behind = replace(settings, database=proxy.database, db_wait_seconds=0)
    landing.put("sleep.csv", sleep(1))
    assert runner.run(behind, "ingest").exit_code == 0
    total = proxy.passed[direction]
    assert total > FIRST
    for byte in (*range(0, FIRST, STEP), *range(FIRST, total, LATER_STEP)):
        # a new content, so that each run has a file to load
        before, user = landing.users(), byte + 2
        landing.put("sleep.csv", sleep(user))
        proxy.forget()
        proxy.cut_after(byte, direction)
        result = runner.run(behind, "ingest")
        # later runs have less to do
        assert proxy.cuts or byte >= FIRST, f"byte {byte}: nothing was cut"
        # a file may have been committed, and a success recorded, before the cut
        assert result.exit_code in {0, 69}, f"byte {byte}: {result.error_summary}"
        recorded = rows(f"select status, exit_code from ops.pipeline_runs where run_id = '{result.run_id}'")
        assert recorded in ([], [("failure" if result.exit_code else "success", result.exit_code)]), f"byte {byte}"
        assert landing.users() in (before, [user]), f"byte {byte}"
        landing.check()
    proxy.forget()
    assert runner.run(behind, "ingest").exit_code == 0
    assert landing.users() == [user]
    assert rows("select count(*) from ops.pipeline_steps where status = 'running'") == [(0,)]


def test_a_connection_lost_while_the_run_opens_has_exit_code_69(proxy: Proxy, settings: Settings) -> None:
    connecting = _bytes_of_a_connection(proxy, settings)
    proxy.cut_after(connecting + 100, "to_server")
    result = runner.run(replace(settings, database=proxy.database, db_wait_seconds=0), "migrate")
    assert result.exit_code == 69, result.error_summary


def _bytes_of_a_connection(proxy: Proxy, settings: Settings) -> int:
    """Return how many bytes the first of a run's connections sends, which only waits for the database."""
    db.ready_engine(replace(settings, database=proxy.database))
    sent = proxy.passed["to_server"]
    proxy.forget()
    return sent


@pytest.mark.parametrize("command", ["ingest", "migrate", "transform"])
def test_a_read_only_database_is_reported_before_the_first_file(
    command: Command, landing: Landing, settings: Settings
) -> None:
    landing.put("sleep.csv", b"Id\n1\n")
    database = settings.database
    assert database is not None
    execute(database, f"alter database {database.parameters['dbname']} set default_transaction_read_only = on")
    result = runner.run(settings, command)
    assert result.exit_code == 78
    assert result.error_summary == "ConfigurationError: the database is read-only"
    assert result.ingest is None


def test_a_lost_connection_between_servers_is_none_of_ours(engine: db.Engine) -> None:
    with db.session(engine) as connection, connection.cursor() as cursor:
        with pytest.raises(DatabaseUnavailableError, match="no connection to a node"), db.translated():
            cursor.execute("do $$ begin raise exception using errcode = '08006', message = 'to a node'; end $$")
        cursor.execute("select 1")


def test_a_connection_that_a_model_of_dbt_loses_between_servers_is_reported_as_lost(
    engine: db.Engine, database: Database, settings: Settings
) -> None:
    run_id = uuid4()
    with (
        run_tracker.RunTracker(engine, run_id, "transform"),
        db.connections_of_dbt(db.SessionLimits.of(settings), run_id) as losses,
    ):
        connection = psycopg2.connect(database.dsn)
        with connection.cursor() as cursor, pytest.raises(psycopg2.OperationalError):
            cursor.execute("do $$ begin raise exception using errcode = '08006', message = 'to a node'; end $$")
        connection.close()
    assert [type(db.translate(loss)) for loss in losses] == [DatabaseUnavailableError]


def test_a_database_that_becomes_read_only_is_reported_as_such(engine: db.Engine) -> None:
    with db.session(engine) as connection, connection.cursor() as cursor:
        cursor.execute("set default_transaction_read_only = on")
        with pytest.raises(ConfigurationError, match="the database is read-only"), db.translated():
            cursor.execute("delete from ops.pipeline_runs")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_in_another_encoding_is_refused_before_anything_is_created(
    encoding: str, server: Database, tmp_path: Path
) -> None:
    name = f"encoded_{next(_names)}"
    other = create_database(server, name, f"encoding '{encoding}' locale 'C' template template0")
    try:
        (tmp_path / "sleep.csv").write_bytes(sleep(1))
        settings = Settings(database=other, data_dir=str(tmp_path), use_manifest=True)
        result = runner.run(settings, "ingest")
        assert result.exit_code == 78
        assert f"the database is encoded in {encoding}, and not in UTF-8" in str(result.error)
        assert "createdb --encoding UTF8" in (getattr(result.error, "hint", None) or "")
    finally:
        drop_database(server, other)
