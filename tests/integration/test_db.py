"""Sessions are kept from one transaction to the next, nothing of one is left to the other, and COPY ends early."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import psycopg2
import pytest
from psycopg2.sql import SQL

from ingestion import db
from ingestion.errors import ConfigurationError, DatabaseUnavailableError, StatementError


@pytest.fixture
def sessions(engine: db.Engine) -> Iterator[db.Sessions]:
    sessions = db.Sessions(engine, None)
    yield sessions
    sessions.close()


def ask(sessions: db.Sessions, query: str) -> object:
    with sessions.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(query)
        (value,) = cursor.fetchone() or (None,)
        return value


def server_process(sessions: db.Sessions) -> object:
    return ask(sessions, "select pg_backend_pid()")


def test_one_connection_does_one_transaction_after_the_other(sessions: db.Sessions) -> None:
    assert len({server_process(sessions) for _ in range(5)}) == 1


def test_two_at_the_same_time_have_two(sessions: db.Sessions) -> None:
    both = Barrier(2, timeout=20)

    def look(_: int) -> object:
        with sessions.transaction() as connection:
            both.wait()
            return connection.get_backend_pid()

    with ThreadPoolExecutor(2) as pool:
        first = set(pool.map(look, range(2)))
        assert len(first) == 2
        assert set(pool.map(look, range(2))) == first


def test_what_a_transaction_sets_for_itself_and_creates_goes_with_it(sessions: db.Sessions) -> None:
    with sessions.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("select set_config('datestyle', 'ISO, DMY', true), set_config('ingest.file_id', '7', true)")
        cursor.execute("create temp table incoming () on commit drop")
        cursor.execute("select pg_advisory_xact_lock(1)")
    assert ask(sessions, "select current_setting('datestyle')") == "ISO, MDY"
    assert ask(sessions, "select current_setting('ingest.file_id', true)") in {None, ""}
    assert ask(sessions, "select to_regclass('incoming')") is None
    assert ask(sessions, "select count(*) from pg_locks where locktype = 'advisory'") == 0


def test_an_error_rolls_back_and_costs_no_connection(sessions: db.Sessions) -> None:
    process = server_process(sessions)
    with pytest.raises(StatementError, match="no_such_column"):
        ask(sessions, "select no_such_column")
    with suppress(ZeroDivisionError), sessions.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("create table public.half_done ()")
        raise ZeroDivisionError
    assert ask(sessions, "select to_regclass('public.half_done')") is None
    assert server_process(sessions) == process


def test_a_connection_that_is_lost_between_two_transactions_is_made_again(
    sessions: db.Sessions, engine: db.Engine
) -> None:
    process = server_process(sessions)
    end(engine, process)
    assert server_process(sessions) != process


def test_a_connection_that_is_lost_in_a_transaction_ends_it_and_is_not_kept(
    sessions: db.Sessions, engine: db.Engine
) -> None:
    def lose() -> None:
        with sessions.transaction() as connection, connection.cursor() as cursor:
            end(engine, connection.get_backend_pid())
            cursor.execute("select 1")

    with pytest.raises(DatabaseUnavailableError):
        lose()
    assert ask(sessions, "select 1") == 1


def test_the_role_is_taken_once_and_kept(engine: db.Engine) -> None:
    sessions = db.Sessions(engine, "pg_monitor")
    for _ in range(2):
        assert ask(sessions, "select current_user") == "pg_monitor"
    sessions.close()
    with pytest.raises(ConfigurationError, match="no_such_role"):
        server_process(db.Sessions(engine, "no_such_role"))


def end(engine: db.Engine, process: object) -> None:
    """End a server process, and wait until it has gone."""
    with db.session(engine) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(%s, 10000)", (process,))
        assert cursor.fetchone() == (True,)


class Endless:
    """A thousand chunks of rows, each of which ends with a bad one: the answer comes while others are sent."""

    chunks = 1_000

    def __init__(self) -> None:
        self.taken = 0

    def read(self, _size: int, /) -> bytes:
        self.taken += 1
        return b"" if self.taken > self.chunks else b"1\n" * (1 << 17) + b"x\n"


def test_the_rest_of_a_file_is_not_sent_to_a_server_that_has_refused_it(engine: db.Engine) -> None:
    rows = Endless()
    with db.transaction(engine) as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table number (n integer)")
        with pytest.raises(psycopg2.errors.InvalidTextRepresentation):
            db.copy_in(cursor, SQL("copy number from stdin"), rows, 1 << 19)
        connection.rollback()
    assert rows.taken < 20, "what the buffers between them hold"
