"""Engines, connections and transactions."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias
from uuid import UUID

import psycopg2.extensions
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from ingestion import log
from ingestion.config import Settings
from ingestion.db.engine import Connector, Engine, open_session
from ingestion.db.errors import translated
from ingestion.db.opening import SessionLimits
from ingestion.db.supervision import take_usable
from ingestion.errors import DatabaseUnavailableError

Connection: TypeAlias = psycopg2.extensions.connection
Cursor: TypeAlias = psycopg2.extensions.cursor
# lends a connection for a block
Lender: TypeAlias = Callable[[], AbstractContextManager[Connection]]


def create_engine(settings: Settings, *, connect_seconds: int | None = None, run_id: UUID | None = None) -> Connector:
    """Return an engine whose connections have the pipeline's limits and application name.

    Arguments:
        settings: the settings, with a database.
        connect_seconds: how long the server may take to answer; libpq allows no less than 2. By default, 10 or what
            the address says.
        run_id: the run that the connections work for. They are refused once it has lost its locks.

    Raises:
        ConfigurationError: no database is configured.

    """
    parameters, limits = settings.known_database.parameters, SessionLimits.of(settings)
    return Connector(parameters, limits, connect_seconds=connect_seconds, run_id=run_id)


def ready_engine(settings: Settings) -> Connector:
    """Return an engine as `create_engine` does, as soon as the database answers.

    Arguments:
        settings: the settings, with a database and the time to wait for it.

    Raises:
        ConfigurationError: no database is configured, or it rejects the connection.
        DatabaseUnavailableError: it did not answer in time.

    """
    engine = create_engine(settings)
    wait_until_ready(engine, settings.db_wait_seconds)
    return engine


@contextmanager
def transaction(engine: Engine, *, role: str | None = None) -> Iterator[Connection]:
    """Open a connection with one transaction. It commits at the end of the block, and rolls back on an exception.

    Arguments:
        engine: the engine.
        role: the role of the transaction; the login role where this is None.

    Raises:
        DatabaseUnavailableError: there is no connection, or it was lost.
        StatementError: PostgreSQL rejected a statement.

    """
    with session(engine, role=role, autocommit=False) as connection, connection:
        yield connection


@contextmanager
def session(engine: Engine, *, role: str | None = None, autocommit: bool = True) -> Iterator[Connection]:
    """Open a connection for the block. Each statement is a transaction of its own.

    Arguments:
        engine: the engine.
        role: the role of the session; the login role where this is None.
        autocommit: False if the caller commits.

    Raises:
        DatabaseUnavailableError: there is no connection, or it was lost.
        StatementError: PostgreSQL rejected a statement.

    """
    with translated():
        connection = _open(engine, role, autocommit=autocommit)
        try:
            yield connection
        finally:
            connection.close()


class Sessions:
    """A pool of connections, with as many as were used at the same time.

    Connecting takes a third of the time of a small file, and a new server process has to read the catalogue.

    Arguments:
        engine: the engine.
        role: the role of the sessions; the login role where this is None.

    """

    def __init__(self, engine: Engine, role: str | None) -> None:
        self._engine = engine
        self._role = role
        # pop and append are atomic, so that threads can share the list
        self._idle: list[Connection] = []

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction. It commits at the end of the block, and rolls back on an exception.

        Set parameters with SET LOCAL only: the next transaction has the same session.

        Raises:
            DatabaseUnavailableError: there is no connection, or it was lost.
            StatementError: PostgreSQL rejected a statement.

        """
        with translated():
            connection = self._take()
            try:
                with connection:
                    yield connection
            except BaseException:
                if connection.closed or connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                    connection.close()
                raise
            finally:
                if not connection.closed:
                    self._idle.append(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection. Each statement is a transaction of its own, without a message to begin or commit it.

        Raises:
            DatabaseUnavailableError: there is no connection, or it was lost.
            StatementError: PostgreSQL rejected a statement.

        """
        with translated():
            connection = self._take()
            connection.autocommit = True
            try:
                yield connection
            finally:
                if not connection.closed:
                    connection.autocommit = False
                    self._idle.append(connection)

    def close(self) -> None:
        """Close all connections. No transaction may be open."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection:
        return take_usable(self._idle) or _open(self._engine, self._role, autocommit=False)


def _open(engine: Engine, role: str | None, *, autocommit: bool) -> Connection:
    connection = open_session(engine, role)
    connection.autocommit = autocommit
    return connection


def wait_until_ready(engine: Connector, seconds: float) -> None:
    """Wait until the database answers. The connection stays, for whoever opens the next one.

    Arguments:
        engine: the engine.
        seconds: how long to wait; 0 tries once.

    Raises:
        DatabaseUnavailableError: it did not answer in time.
        ConfigurationError: it rejects the connection.

    """
    deadline = time.monotonic() + seconds
    delay = 0.1
    while True:
        try:
            with translated():
                return engine.connect_ahead()
        except DatabaseUnavailableError as exc:
            if time.monotonic() + delay > deadline:
                exc.args = (f"{exc} (waited {seconds:g} s)",) if seconds else exc.args
                raise
            log.event(f"waiting for the database: {exc}", retry_in_seconds=round(delay, 1))
            time.sleep(delay)
            delay = min(delay * 2, 2.0) * random.uniform(0.8, 1.2)  # noqa: S311  (only spreads the clients)


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Undo the block, and only the block, if it raises.

    Arguments:
        connection: a connection in a transaction, which stays usable.

    """
    with connection.cursor() as cursor:
        cursor.execute("savepoint block")
        try:
            yield
        except BaseException:
            if not connection.closed:
                cursor.execute("rollback to savepoint block")
                cursor.execute("release savepoint block")
            raise
        cursor.execute("release savepoint block")
