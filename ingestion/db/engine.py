"""What connections come from: the pipeline's own engine, or one of SQLAlchemy that a caller passes in."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol
from uuid import UUID

import psycopg2
import psycopg2.extensions
from psycopg2.extras import NamedTupleCursor

from ingestion.db.opening import SessionLimits, acting_as, begin, connect
from ingestion.db.supervision import NamedCursor, Supervised, take_usable
from ingestion.errors import PipelineError


class Engine(Protocol):
    """What opens connections to a database. SQLAlchemy's engines do, and so does `Connector`.

    The pipeline does not import SQLAlchemy: that takes a third of the time of a run without new files.
    """

    def raw_connection(self) -> Any:
        """Return a new connection: the driver's, or SQLAlchemy's wrapper of it."""


class Connector:
    """An engine whose connections have the pipeline's limits and application name. Any thread may use it.

    Arguments:
        parameters: libpq's connection parameters.
        limits: the limits of the sessions.
        connect_seconds: how long the server may take to answer; None for the limit of the parameters, or 10.
        run_id: the run that the connections work for. They are refused once it has lost its locks.

    """

    def __init__(
        self,
        parameters: Mapping[str, str],
        limits: SessionLimits,
        *,
        connect_seconds: int | None = None,
        run_id: UUID | None = None,
    ) -> None:
        self._parameters = parameters
        self._limits = limits
        self._connect_seconds = connect_seconds
        self._run_id = run_id
        # connections without a session; append and pop are atomic
        self._ahead: list[Supervised] = []
        self._connecting: threading.Thread | None = None
        self._is_closed = False

    def raw_connection(self) -> Supervised:
        """Return a new connection, as an engine of SQLAlchemy does."""
        return self.open(None)

    def open(self, role: str | None) -> Supervised:
        """Return a connection with a session.

        Arguments:
            role: the role of the session; the login role where this is None.

        Raises:
            psycopg2.Error: there is no connection.
            ConfigurationError: the server or the database is of no use, or the login role cannot act as the role.
            RunLostError: the run has lost its locks.

        """
        if self._connecting:
            self._connecting.join()
        connection = take_usable(self._ahead) or self._connect()
        begin(connection, self._limits, self._run_id, role)
        return connection

    def connect_ahead(self) -> None:
        """Connect now, for the next call of `open`.

        Raises:
            psycopg2.Error: there is no connection.
            ConfigurationError: the server or the database is of no use.

        """
        self._ahead.append(self._connect())
        if self._is_closed:
            self.close()

    def start_connecting(self) -> None:
        """Connect in a thread, for the next call of `open`: it takes up to six round trips."""
        self._connecting = threading.Thread(target=self._try_to_connect, name="connecting", daemon=True)
        self._connecting.start()

    def close(self) -> None:
        """Close the connections that were made ahead, and that nobody has opened. This does not wait for one."""
        self._is_closed = True
        while self._ahead:
            self._ahead.pop().close()

    def _try_to_connect(self) -> None:
        # whoever needs the connection tries again, and learns why it fails
        with suppress(psycopg2.Error, PipelineError):
            self.connect_ahead()

    def _connect(self) -> Supervised:
        return connect(self._parameters, self._limits, connect_seconds=self._connect_seconds, run_id=self._run_id)


def open_session(engine: Engine, role: str | None) -> psycopg2.extensions.connection:
    """Return a connection of any engine, with a session and a cursor of named rows. Each statement commits.

    Arguments:
        engine: the engine.
        role: the role of the session; the login role where this is None.

    Raises:
        psycopg2.Error: there is no connection.
        ConfigurationError: the server or the database is of no use, or the login role cannot act as the role.
        RunLostError: the run has lost its locks.

    """
    if isinstance(engine, Connector):
        connection = engine.open(role)
        connection.cursor_factory = NamedCursor
        connection.autocommit = True
        return connection
    return _open_of_sqlalchemy(engine, role)


def _open_of_sqlalchemy(engine: Engine, role: str | None) -> psycopg2.extensions.connection:
    try:
        proxy = engine.raw_connection()
    except Exception as exc:
        # it asks the server for its version on the first connection, and wraps the driver's errors
        cause = getattr(exc, "orig", None)
        if isinstance(cause, psycopg2.Error):
            raise cause from exc
        raise
    connection: psycopg2.extensions.connection = proxy.driver_connection
    proxy.detach()
    connection.cursor_factory = NamedTupleCursor
    try:
        connection.autocommit = True
        if role is not None:
            with acting_as(role), connection.cursor() as cursor:
                cursor.execute("select set_config('role', %s, false)", (role,))
    except BaseException:
        connection.close()
        raise
    return connection
