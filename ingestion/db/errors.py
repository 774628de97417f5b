"""Turn the driver's errors into the pipeline's. The driver's quote data; the pipeline's do not."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from ingestion import log
from ingestion.errors import ConfigurationError, DatabaseUnavailableError, StatementError

_CONNECTION_LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25P03")
# the server tells of a connection of its own, since it could tell nothing of ours
_CONNECTION_TO_A_NODE = ("08001", "08003", "08006")
_DATA_EXCEPTION = "22"
_INSUFFICIENT_PRIVILEGE = "42501"
_READ_ONLY = "25006"
CANCELED = "57014"
_TIMEOUTS = (CANCELED, "55P03")
# a failed connection has no SQLSTATE, and waiting does not help with any of these
_PERMANENT = (
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


@contextmanager
def translated() -> Iterator[None]:
    """Raise the pipeline's error where the block raises one of the driver's.

    Raises:
        ConfigurationError: the database rejects the connection.
        DatabaseUnavailableError: there is no connection, or it was lost.
        StatementError: PostgreSQL rejected a statement.

    """
    try:
        yield
    except psycopg2.Error as exc:
        raise translate(exc) from exc


def translate(exc: psycopg2.Error) -> DatabaseUnavailableError | ConfigurationError | StatementError:
    """Return the pipeline's error for one of the driver's.

    Arguments:
        exc: the error of psycopg2.

    """
    sqlstate = exc.pgcode
    if sqlstate is None:
        return _connection_error(exc)
    if sqlstate in _CONNECTION_TO_A_NODE:
        return DatabaseUnavailableError(
            "the server has no connection to a node of the database",
            hint="Start the node, then run again. A node must let the pipeline's roles log in; see docs/scale-out.md.",
        )
    if tells_of_a_loss(exc):
        return DatabaseUnavailableError(
            "the server closed the database connection", hint="Check the server's log, then run again."
        )
    if sqlstate == _READ_ONLY:
        return read_only()
    if sqlstate.startswith(_DATA_EXCEPTION):
        message = f"a value is invalid ({type(exc).__name__})"
    else:
        message = log.redact((exc.diag.message_primary or type(exc).__name__).splitlines()[0])
    hint = None
    if sqlstate == _INSUFFICIENT_PRIVILEGE:
        hint = "Grant this right to the pipeline's role; see docker/postgres/."
    elif sqlstate in _TIMEOUTS:
        hint = "If it needs more time, raise PIPELINE_STATEMENT_TIMEOUT_SECONDS or PIPELINE_LOCK_TIMEOUT_SECONDS."
    return StatementError(message, sqlstate=sqlstate, hint=hint)


def tells_of_a_loss(exc: psycopg2.Error) -> bool:
    """Whether a server says that a connection was lost, which may be one of its own to a node.

    Arguments:
        exc: the error of psycopg2.

    """
    return (exc.pgcode or "").startswith(_CONNECTION_LOST)


def read_only() -> ConfigurationError:
    """Return the error for a database whose transactions are read-only."""
    return ConfigurationError(
        "the database is read-only",
        hint="Unset default_transaction_read_only for the role, the database or the server, or name another server.",
    )


def _connection_error(exc: psycopg2.Error) -> DatabaseUnavailableError | ConfigurationError:
    lines = log.redact(str(exc)).strip().splitlines() or ["connection lost"]
    reason = lines[0].strip()
    if any(text in reason for text in _PERMANENT):
        return ConfigurationError(
            f"the database rejects the connection: {reason}",
            hint="Check host, database, user and password; docs/settings.md lists their variables.",
        )
    return DatabaseUnavailableError(
        f"no database connection: {reason}",
        hint="Start the database, or check the host in DATABASE_URL, PGHOST or DB_HOST.",
    )
