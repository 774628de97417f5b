"""Engine and connections: the one place that speaks to the driver, and that turns its errors into ours."""

import random
import select
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import aiosql
import psycopg2
import psycopg2.extensions
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extras import NamedTupleCursor
from psycopg2.sql import Composable
from sqlalchemy import Engine, NullPool
from sqlalchemy import create_engine as sqlalchemy_engine

from ingestion import __version__, log
from ingestion.config import Settings
from ingestion.errors import BusyError, ConfigurationError, DatabaseUnavailableError, StatementError

Connection: TypeAlias = psycopg2.extensions.connection
Cursor: TypeAlias = psycopg2.extensions.cursor

_CONNECT_TIMEOUT_SECONDS = 10
# the first with pg_input_is_valid()
_OLDEST_SERVER = 160_000
_LOST = ("08", "57P01", "57P02", "57P03")
_DATA_EXCEPTION = "22"
# connecting gives no SQLSTATE, and waiting mends none of these
_NOT_A_MATTER_OF_TIME = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "pg_hba.conf",
    "permission denied for database",
    "server does not support SSL",
    "certificate verify failed",
    "invalid port number",
    "invalid integer value",
    "root certificate file",
)
_open_connections: "weakref.WeakSet[Connection]" = weakref.WeakSet()


def queries(name: str) -> Any:
    """Return the named queries of `ingestion/queries/<name>.sql`; each takes a connection and its parameters."""
    return aiosql.from_path(Path(__file__).parents[1] / "queries" / f"{name}.sql", "psycopg2")


def create_engine(settings: Settings, *, connect_seconds: int = _CONNECT_TIMEOUT_SECONDS) -> Engine:
    """Return an engine whose connections carry the pipeline's timeouts and name.

    Arguments:
        settings: with a database.
        connect_seconds: how long a server may take to answer; libpq knows no less than 2.

    Raises:
        ConfigurationError: no database is configured.

    """
    database = settings.known_database
    session = {
        # in milliseconds: half a second rounded to none would be no limit at all
        "statement_timeout": f"{settings.statement_timeout_seconds * 1000:.0f}ms",
        "lock_timeout": f"{settings.lock_timeout_seconds * 1000:.0f}ms",
        # a server that is busy notices within this time that we are gone
        "client_connection_check_interval": "2s",
    }

    def connect() -> Connection:
        connection = psycopg2.connect(
            database.dsn,
            application_name=f"wearables-pipeline {__version__}",
            connect_timeout=connect_seconds,
            keepalives_idle=30,
            cursor_factory=NamedTupleCursor,
        )
        if connection.server_version < _OLDEST_SERVER:
            raise ConfigurationError(
                f"the server is PostgreSQL {connection.server_version // 10_000}: too old",
                hint="PostgreSQL 16 to 18 will do; DATABASE_URL, PGHOST or DB_HOST says which server is used.",
            )
        with connection, connection.cursor() as cursor:
            for name, value in session.items():
                cursor.execute("select set_config(%s, %s, false)", (name, value))
        _open_connections.add(connection)
        return connection

    return sqlalchemy_engine("postgresql+psycopg2://", creator=connect, poolclass=NullPool)


def ready_engine(settings: Settings) -> Engine:
    """Return an engine as `create_engine` does, once the database answers.

    Arguments:
        settings: with a database, and with how long to wait for it.

    Raises:
        ConfigurationError: no database is configured, or it answered with a refusal that waiting does not mend.
        DatabaseUnavailableError: it did not answer in time.

    """
    engine = create_engine(settings)
    wait_until_ready(engine, settings.db_wait_seconds)
    return engine


@contextmanager
def transaction(engine: Engine, *, role: str | None = None) -> Iterator[Connection]:
    """Open a connection with one transaction: committed at the end of the block, rolled back by any exception.

    Arguments:
        engine: where to.
        role: the role that the transaction runs as, or None for the login role.

    Raises:
        DatabaseUnavailableError: no connection, or it was lost.
        StatementError: PostgreSQL refused a statement.

    """
    with session(engine, role=role, autocommit=False) as connection, connection:
        yield connection


@contextmanager
def session(engine: Engine, *, role: str | None = None, autocommit: bool = True) -> Iterator[Connection]:
    """Open a connection that lives as long as the block, each statement a transaction of its own.

    Arguments:
        engine: where to.
        role: the role that it runs as, or None for the login role.
        autocommit: False where the caller commits.

    Raises:
        DatabaseUnavailableError: no connection, or it was lost.
        StatementError: PostgreSQL refused a statement.

    """
    with translated():
        connection = _open(engine, role, autocommit=autocommit)
        try:
            yield connection
        finally:
            connection.close()


class Sessions:
    """Connections that are kept from one transaction to the next: as many as there are at the same time.

    To connect takes a third of what a small file does, and a server process that is new has to read the catalogue.

    Arguments:
        engine: where to.
        role: the role that they run as, or None for the login role.

    """

    def __init__(self, engine: Engine, role: str | None) -> None:
        self._engine = engine
        self._role = role
        # taken from and given back at the same end, which is safe between threads
        self._idle: list[Connection] = []

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction: committed at the end of the block, rolled back by any exception.

        What it sets must be set for itself alone: the next one has the same session.

        Raises:
            DatabaseUnavailableError: no connection, or it was lost.
            StatementError: PostgreSQL refused a statement.

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

    def close(self) -> None:
        """Close them all; no transaction is open any more."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            # nobody has asked it anything: what it has to say is that the server has gone
            if not _has_answered(connection):
                return connection
            connection.close()
        return _open(self._engine, self._role, autocommit=False)


def _has_answered(connection: Connection) -> bool:
    socket = select.poll()
    socket.register(connection, select.POLLIN)
    return bool(socket.poll(0))


def _open(engine: Engine, role: str | None, *, autocommit: bool) -> Connection:
    proxy = engine.raw_connection()
    connection: Connection = proxy.driver_connection  # type: ignore[assignment]
    proxy.detach()
    # also for an engine that is not from `create_engine`, as `ensure_manifest_table` may be given one
    connection.cursor_factory = NamedTupleCursor
    try:
        connection.autocommit = True
        if role is not None:
            _become(connection, role)
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


def _become(connection: Connection, role: str) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select set_config('role', %s, false)", (role,))
    except (psycopg2.errors.InvalidParameterValue, psycopg2.errors.InsufficientPrivilege) as exc:
        raise ConfigurationError(
            f"the login role cannot act as {role}",
            hint="Make the roles with docker/postgres/roles.sql, or correct PIPELINE_OWNER_ROLE and its like.",
        ) from exc


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours; theirs quote data, ours do not."""
    try:
        yield
    except psycopg2.Error as exc:
        raise translate(exc) from exc


def translate(exc: psycopg2.Error) -> DatabaseUnavailableError | ConfigurationError | StatementError:
    """Return our error for one of the driver's.

    Arguments:
        exc: what psycopg2 raised.

    """
    sqlstate = exc.pgcode
    if sqlstate is None:
        lines = log.redact(str(exc)).strip().splitlines() or ["connection lost"]
        reason = lines[0].strip()
        if any(text in reason for text in _NOT_A_MATTER_OF_TIME):
            return ConfigurationError(
                f"the database refuses us: {reason}",
                hint="Check host, database, user and password; the README's table of settings names them.",
            )
        return DatabaseUnavailableError(
            f"no database connection: {reason}",
            hint="Start the database, or check where DATABASE_URL, PGHOST or DB_HOST points to.",
        )
    if sqlstate.startswith(_LOST):
        return DatabaseUnavailableError(
            "the database connection was ended by the server", hint="See the server's log, then run again."
        )
    if sqlstate.startswith(_DATA_EXCEPTION):
        message = f"a value does not fit ({type(exc).__name__})"
    else:
        message = log.redact((exc.diag.message_primary or type(exc).__name__).splitlines()[0])
    hint = None
    if sqlstate == "42501":
        hint = "Grant the right to the pipeline's role: see docker/postgres/."
    elif sqlstate in ("57014", "55P03"):
        hint = "Raise PIPELINE_STATEMENT_TIMEOUT_SECONDS or PIPELINE_LOCK_TIMEOUT_SECONDS if it deserves longer."
    return StatementError(message, sqlstate=sqlstate, hint=hint)


def wait_until_ready(engine: Engine, seconds: float) -> None:
    """Return as soon as the database answers.

    Arguments:
        engine: where it is.
        seconds: the deadline; 0 tries once.

    Raises:
        DatabaseUnavailableError: it did not answer in time.
        ConfigurationError: it answered with a refusal that waiting does not mend.

    """
    deadline = time.monotonic() + seconds
    delay = 0.1
    while True:
        try:
            with session(engine):
                return
        except DatabaseUnavailableError as exc:
            if time.monotonic() + delay > deadline:
                exc.args = (f"{exc} (waited {seconds:g} s)",) if seconds else exc.args
                raise
            log.event(f"waiting for the database: {exc}", retry_in_seconds=round(delay, 1))
            time.sleep(delay)
            delay = min(delay * 2, 2.0) * random.uniform(0.8, 1.2)  # noqa: S311  (spreads the clients, no secret)


def lock(
    connection: Connection,
    name: str,
    *,
    seconds: float,
    shared: bool = False,
    on_wait: Callable[[], None] | None = None,
) -> None:
    """Take a named session lock, which the server frees when the connection ends, however it ends.

    A blocking lock would deadlock with CREATE INDEX CONCURRENTLY, which waits for all transactions; this one polls.

    Arguments:
        connection: an autocommit session; the lock lives as long as it.
        name: the lock.
        seconds: how long to try.
        shared: with others that share it too.
        on_wait: called once, before the first wait.

    Raises:
        BusyError: somebody else held it all the time.

    """
    deadline = time.monotonic() + seconds
    while not try_lock(connection, name, shared=shared):
        if time.monotonic() >= deadline:
            raise BusyError(
                f"another process holds the lock {name!r} (waited {seconds:g} s)",
                hint="Wait for the other run to end, then run again.",
            )
        if on_wait:
            on_wait()
            on_wait = None
        time.sleep(random.uniform(0.05, 0.2))  # noqa: S311


def try_lock(connection: Connection, name: str, *, shared: bool = False) -> bool:
    """Take a named session lock if it is free.

    Arguments:
        connection: an autocommit session; the lock lives as long as it.
        name: the lock.
        shared: with others that share it too.

    Returns:
        Whether this session holds it now.

    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select case when %s then pg_try_advisory_lock_shared(key) else pg_try_advisory_lock(key) end"
            " from hashtextextended(%s, 0) as key",
            (shared, lock_name(name)),
        )
        return bool(cursor.fetchone()[0])  # type: ignore[index]


def held_locks(connection: Connection, names: Iterable[str]) -> set[str]:
    """Return those of these named locks that somebody holds; any role may ask.

    Arguments:
        connection: any.
        names: as in `lock`.

    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select name from unnest(%s::text[]) as name inner join pg_locks on"
            " locktype = 'advisory' and objsubid = 1 and granted"
            " and database = (select oid from pg_database where datname = current_database())"
            " and (classid::bigint << 32) | objid::bigint = hashtextextended(%s || name, 0)",
            (list(names), lock_name("")),
        )
        return {name for (name,) in cursor.fetchall()}


def lock_name(name: str) -> str:
    """Return how a lock of the pipeline is called on the server, which others may use too."""
    return f"wearables-pipeline:{name}"


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Undo the block, and only the block, where it raises.

    Arguments:
        connection: in a transaction, which stays usable.

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


class Readable(Protocol):
    """What COPY reads from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, b"" at the end."""
        ...


def copy_in(cursor: Cursor, command: Composable, stream: Readable, chunk_bytes: int) -> int:
    """Send a stream through COPY ... FROM STDIN.

    Arguments:
        cursor: of the connection that copies.
        command: the COPY statement.
        stream: what to send.
        chunk_bytes: how much to read at a time.

    Returns:
        The rows that COPY counted.

    Raises:
        psycopg2.Error: PostgreSQL refused a row.
        BaseException: what the stream itself raised; psycopg2 would turn it into an error of its own.

    """
    source = _Remembering(stream, cursor.connection)
    try:
        cursor.copy_expert(command, source, chunk_bytes)
    except psycopg2.Error:
        if source.error:
            raise source.error from None
        raise
    return cursor.rowcount


class _AnsweredError(Exception):
    """The server has said what it thinks of the rows, and only a refusal comes before their end."""


class _Remembering:
    def __init__(self, stream: Readable, connection: Connection) -> None:
        self._stream = stream
        self._connection = connection
        self.error: BaseException | None = None

    def read(self, size: int = 8192, /) -> bytes:
        # libpq would send the rest of the file to a server that throws it away
        if _has_answered(self._connection):
            raise _AnsweredError
        try:
            return self._stream.read(size)
        except BaseException as exc:
            self.error = exc
            raise

    readline = read


def cancel_all() -> None:
    """Ask the server to end whatever any of our connections is executing. Safe to call from another thread."""
    for connection in list(_open_connections):
        if not connection.closed:
            try:
                connection.cancel()
            except psycopg2.Error:
                log.event("a statement could not be cancelled", level=30)
