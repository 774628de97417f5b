"""Open a connection: its limits, the settings of its session, and what the server must be.

Every connection of the pipeline is opened here, dbt's included.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from psycopg2.extensions import make_dsn

from ingestion import __version__
from ingestion.config import Settings
from ingestion.db.queries import queries
from ingestion.db.supervision import NamedCursor, PlainCursor, Supervised, supervise
from ingestion.errors import ConfigurationError, RunLostError

CONNECT_SECONDS = 10
# A peer that is gone is noticed after this time, on both sides. The kernel asks an idle one after 10 s, every 5 s.
_SILENCE_SECONDS = 30
_KEEPALIVES_IDLE, _KEEPALIVES_INTERVAL, _KEEPALIVES_COUNT = 10, 5, 4
# the parameters of DATABASE_URL come first
_TCP = {
    "keepalives": 1,
    "keepalives_idle": _KEEPALIVES_IDLE,
    "keepalives_interval": _KEEPALIVES_INTERVAL,
    "keepalives_count": _KEEPALIVES_COUNT,
    "tcp_user_timeout": _SILENCE_SECONDS * 1000,
}
# the first version with pg_input_is_valid()
_OLDEST_SERVER = 160_000
_ENCODING = "UTF8"
_queries = queries("sessions")
# kept here, because `connections_of_dbt` replaces it
_connect = psycopg2.connect


@dataclass(frozen=True)
class SessionLimits:
    """How long a session may wait.

    Arguments:
        statement_seconds: for one statement; 0 for no limit.
        lock_seconds: for one lock.

    """

    statement_seconds: float
    lock_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> "SessionLimits":
        """Return the limits that the settings ask for."""
        return cls(settings.statement_timeout_seconds, settings.lock_timeout_seconds)

    @property
    def patience(self) -> float | None:
        """How long the client waits: somewhat longer than the server takes to end a statement."""
        if not self.statement_seconds:
            return None
        return self.statement_seconds + min(max(self.statement_seconds, 2), _SILENCE_SECONDS)

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the session, for `begin_session`."""
        # in milliseconds, because 0.4 s would round to 0, which means no limit
        statement = f"{self.statement_seconds * 1000:.0f}ms"
        return {
            "statement_timeout": statement,
            "lock_timeout": f"{self.lock_seconds * 1000:.0f}ms",
            "idle_in_transaction": statement,
            "keepalives_idle": str(_KEEPALIVES_IDLE),
            "keepalives_interval": str(_KEEPALIVES_INTERVAL),
            "keepalives_count": str(_KEEPALIVES_COUNT),
            "tcp_user_timeout": str(_SILENCE_SECONDS * 1000),
        }


def connect(
    parameters: Mapping[str, str], limits: SessionLimits, *, connect_seconds: int | None = None, run_id: UUID | None
) -> Supervised:
    """Connect to the server. Nothing may be asked before `begin`.

    Arguments:
        parameters: libpq's connection parameters.
        limits: the limits of its session.
        connect_seconds: how long the server may take to answer; None for the limit of the parameters, or 10.
        run_id: the run that it works for.

    Raises:
        psycopg2.Error: there is no connection.
        ConfigurationError: the server is too old, or the database is not in UTF-8.

    """
    given = {**_TCP, "connect_timeout": CONNECT_SECONDS, **parameters}
    if connect_seconds is not None:
        given["connect_timeout"] = connect_seconds
    name = application_name(run_id) if run_id else f"wearables-pipeline {__version__}"
    dsn = make_dsn("", **{**given, "application_name": name, "client_encoding": _ENCODING})
    connection = _connect(dsn, connection_factory=Supervised, cursor_factory=PlainCursor)
    connection.open_another = partial(_open_another, dsn)
    return _checked(connection, limits, run_id)


@contextmanager
def connections_of_dbt(limits: SessionLimits, run_id: UUID) -> Iterator[list[psycopg2.Error]]:
    """Give the connections that dbt opens in the block the pipeline's limits, and tie them to the run.

    dbt's profile knows neither the options of TCP nor the run.

    Arguments:
        limits: the limits of their sessions.
        run_id: the run.

    Yields:
        The errors of connections that could not be opened or were lost.

    """
    losses: list[psycopg2.Error] = []

    def connect_dbt(dsn: str | None = None, **options: Any) -> Supervised:
        named = {**_TCP, **options, "application_name": application_name(run_id, "dbt"), "client_encoding": _ENCODING}
        try:
            connection = _connect(dsn, connection_factory=Supervised, cursor_factory=PlainCursor, **named)
        except psycopg2.Error as exc:
            losses.append(exc)
            raise
        connection.on_loss = losses.append
        connection.open_another = partial(_open_another, dsn, **named)
        try:
            begin(_checked(connection, limits, run_id), limits, run_id)
        except RunLostError as exc:
            # dbt expects the driver's errors
            raise psycopg2.OperationalError(str(exc)) from exc
        return connection

    psycopg2.connect = connect_dbt  # type: ignore[assignment]
    try:
        yield losses
    finally:
        psycopg2.connect = _connect


def _open_another(dsn: str | None, **options: Any) -> psycopg2.extensions.connection:
    """Open a connection that is tied to no run, and gives up soon."""
    name = f"wearables-pipeline {__version__}"
    given: dict[str, Any] = {**options, "application_name": name, "connect_timeout": 2}
    connection: psycopg2.extensions.connection = _connect(dsn, **given)
    return connection


def _checked(connection: Supervised, limits: SessionLimits, run_id: UUID | None) -> Supervised:
    connection.patience = limits.patience
    connection.run_id = str(run_id) if run_id else None
    try:
        _check_server(connection)
        supervise(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def begin(
    connection: Supervised,
    limits: SessionLimits,
    run_id: UUID | None,
    role: str | None = None,
) -> None:
    """Begin the session of a new connection: its limits, its role, and whether its run is alive.

    Arguments:
        connection: from `connect`. An error closes it.
        limits: the limits of its session.
        run_id: the run that it works for. The session does not begin once the run has lost its locks.
        role: the role of the session; the login role where this is None.

    Raises:
        psycopg2.Error: the connection is lost.
        ConfigurationError: the login role cannot act as the role.
        RunLostError: the run has lost its locks.

    """
    try:
        # one round trip, without those of BEGIN and COMMIT
        connection.autocommit = True
        with connection.cursor(cursor_factory=NamedCursor) as cursor:
            run_lock = lock_name(run_name(str(run_id))) if run_id else None
            with acting_as(role):
                cursor.execute(_queries.begin_session.sql, {**limits.parameters, "role": role, "run_lock": run_lock})
            if not cursor.fetchone().is_alive:  # type: ignore[union-attr]
                raise RunLostError
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise


@contextmanager
def acting_as(role: str | None) -> Iterator[None]:
    """Say in the error of the block, which sets a role, that the login role cannot act as it.

    Arguments:
        role: the role; None if the block sets none.

    Raises:
        ConfigurationError: the login role cannot act as the role.

    """
    try:
        yield
    except (psycopg2.errors.InvalidParameterValue, psycopg2.errors.InsufficientPrivilege) as exc:
        if role is None:
            raise
        raise ConfigurationError(
            f"the login role cannot act as {role}",
            hint="Create the roles with docker/postgres/roles.sql, or correct PIPELINE_OWNER_ROLE and its like.",
        ) from exc


def _check_server(connection: Supervised) -> None:
    if connection.server_version < _OLDEST_SERVER:
        raise ConfigurationError(
            f"PostgreSQL {connection.server_version // 10_000} is too old",
            hint="Use PostgreSQL 16 to 18. DATABASE_URL, PGHOST or DB_HOST selects the server.",
        )
    encoding = connection.get_parameter_status("server_encoding")
    if encoding != _ENCODING:
        raise ConfigurationError(
            f"the database is encoded in {encoding}, and not in UTF-8",
            hint="Create another with: createdb --encoding UTF8 --template template0 NAME",
        )


def application_name(run_id: UUID, program: str = "wearables-pipeline") -> str:
    """Return the application name of a connection that works for a run. `queries/sessions.sql` looks for its end.

    Arguments:
        run_id: the run.
        program: what opens the connection.

    """
    return f"{program} run {run_id.hex}"


def run_name(run_id: str) -> str:
    """Return the name of the lock that a run shares while it is alive.

    Arguments:
        run_id: the run.

    """
    return f"run:{run_id}"


def lock_name(name: str) -> str:
    """Return the name of a lock on the server, which other applications may use as well."""
    return f"wearables-pipeline:{name}"
