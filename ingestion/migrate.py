"""Apply the migrations in sql/: in order, each once, in one transaction with its row in ops.schema_migrations.

Where the raw tables are spread over several nodes, the tables that a migration creates are spread in its transaction.
"""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import psycopg2.errors
import sqlparse
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.sql import SQL

from ingestion import __version__, db, distribution
from ingestion.config import ROOT
from ingestion.errors import ConfigurationError, MigrationDriftError, UsageError

SQL_DIRECTORY = ROOT / "sql"

_NAME = re.compile(r"(\d{3})_[a-z0-9]+(?:_[a-z0-9]+)*\.sql")
_NO_TRANSACTION = re.compile(r"\A\s*--\s*no-transaction\b", re.IGNORECASE)
_TRANSACTION_CONTROL = {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE"}
# where a statement may begin: after the start of the file, a semicolon or a comment. Parsing all files takes 0.3 s.
_MAY_CONTROL = re.compile(rf"(?:\A|;|\*/|--[^\n]*\n)\s*(?:{'|'.join(sorted(_TRANSACTION_CONTROL))})\b", re.IGNORECASE)
_LOCK = "migrate"
_BEGIN = "begin; select set_config('wearables_pipeline.transaction', pg_current_xact_id()::text, false); "
# Citus changes tables over one connection to each node, so that each statement sees what those before it have done
_ONE_BY_ONE = "set local citus.multi_shard_modify_mode = 'sequential'"
_IS_SAME_TRANSACTION = "select pg_current_xact_id()::text = current_setting('wearables_pipeline.transaction')"
_queries = db.queries("migrations")


@dataclass(frozen=True)
class Migration:
    """A file of sql/.

    Arguments:
        file: its name.
        text: its statements, with LF line ends.

    """

    file: str
    text: str

    @property
    def number(self) -> int:
        """Its number in the order."""
        return int(self.file[:3])

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def in_transaction(self) -> bool:
        """Whether it runs in a transaction. `-- no-transaction` in the first line means that it cannot."""
        return not _NO_TRANSACTION.match(self.text)


@dataclass(frozen=True)
class Applied:
    """An applied migration, as recorded.

    Arguments:
        file: the name of the file.
        checksum: the checksum of its text when it was applied.
        applied_at: the time.
        is_baseline: whether it was recorded without running it.

    """

    file: str
    checksum: str
    applied_at: datetime
    is_baseline: bool


@dataclass(frozen=True)
class State:
    """The applied and the pending migrations.

    Arguments:
        applied: the applied ones, in order.
        pending: the others, in order.

    """

    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]


def read_migrations(directory: Path = SQL_DIRECTORY) -> list[Migration]:
    """Read the migrations, and check their names and contents.

    Arguments:
        directory: the folder of the files.

    Returns:
        The migrations, numbered 1, 2, 3 and so on.

    Raises:
        ConfigurationError: a name is invalid, a number is missing or used twice, or a file controls transactions.

    """
    migrations = [_read(path) for path in sorted(each for each in directory.glob("*") if each.is_file())]
    if not migrations:
        raise ConfigurationError(f"no migrations in {directory}", hint="Restore sql/ from version control.")
    for expected, migration in enumerate(migrations, start=1):
        if migration.number < expected:
            twins = [m.file for m in migrations if m.number == migration.number]
            raise ConfigurationError(
                f"two files in sql/ have the same number: {' and '.join(twins)}",
                hint="Give the newer file the next free number.",
            )
        if migration.number > expected:
            raise ConfigurationError(
                f"sql/ has no file {expected:03d}, but has {migration.file}",
                hint="Restore the missing file, or renumber files that were never applied.",
            )
    return migrations


def _read(path: Path) -> Migration:
    if not _NAME.fullmatch(path.name):
        raise ConfigurationError(
            f"sql/{path.name} is not named NNN_<schema>_<what>.sql", hint="Rename it, or move it out of sql/."
        )
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"sql/{path.name} cannot be read as UTF-8", hint="Restore the file.") from exc
    migration = Migration(path.name, text)
    if migration.in_transaction:
        for statement in _statements(text) if _MAY_CONTROL.search(text) else ():
            words = statement.token_first(skip_cm=True).normalized.upper()
            if words.split()[0] in _TRANSACTION_CONTROL:
                raise ConfigurationError(
                    f"sql/{path.name} contains {words}, which would end the transaction that records the file",
                    hint="Remove it: each file runs in one transaction with its record.",
                )
    elif (count := len(_statements(text))) != 1:
        raise ConfigurationError(
            f"sql/{path.name} is marked no-transaction and has {count} statements",
            hint="Split it: without a transaction, only a single statement is atomic.",
        )
    return migration


def _statements(text: str) -> list[sqlparse.sql.Statement]:
    return [each for each in sqlparse.parse(text) if each.token_first(skip_cm=True) is not None]


def state(connection: db.Connection, migrations: list[Migration]) -> State:
    """Compare sql/ with the applied migrations.

    Arguments:
        connection: an autocommit session.
        migrations: the migrations, from `read_migrations`.

    Raises:
        MigrationDriftError: an applied file was edited or is missing, or a new file has a number below an applied one.

    """
    try:
        applied = tuple(Applied(**row._asdict()) for row in _queries.applied(connection))
    except psycopg2.errors.UndefinedTable:
        return State((), tuple(migrations))
    by_file = {migration.file: migration for migration in migrations}
    for row in applied:
        migration = by_file.pop(row.file, None)
        if migration is None:
            raise MigrationDriftError(
                f"{row.file} is applied in the database, but sql/ does not contain it",
                hint="The database belongs to a newer version: run that version, or restore the file.",
            )
        if migration.checksum != row.checksum:
            raise MigrationDriftError(
                f"sql/{row.file} was edited after it was applied: applied {row.checksum}, on disk {migration.checksum}",
                hint="Restore the file, and put the change into a new file with the next number.",
            )
    pending = tuple(by_file.values())
    if applied and pending and pending[0].file < applied[-1].file:
        raise MigrationDriftError(
            f"sql/{pending[0].file} is new, but its number is below that of {applied[-1].file}, which is applied",
            hint="Give it the next free number.",
        )
    return State(applied, pending)


def check_applied(connection: db.Connection) -> None:
    """Check that no migration is pending.

    Arguments:
        connection: an autocommit session.

    Raises:
        ConfigurationError: some are.

    """
    pending = state(connection, read_migrations()).pending
    if pending:
        raise ConfigurationError(
            f"{len(pending)} migrations are not applied", hint="Apply them first: python -m ingestion migrate"
        )


def migrate(
    engine: db.Engine,
    directory: Path = SQL_DIRECTORY,
    *,
    schema: str = "raw",
    run_id: UUID | None = None,
    role: str | None = None,
    lock_wait_seconds: float = 60.0,
    on_applied: Callable[[Migration, int], None] = lambda _migration, _ms: None,
) -> list[str]:
    """Apply the pending migrations. Several processes may call this at the same time.

    Arguments:
        engine: the database.
        directory: the folder of the files.
        schema: the schema of the raw tables.
        run_id: the run, for the record.
        role: the role that applies them.
        lock_wait_seconds: how long to wait for another process that applies migrations.
        on_applied: called with each applied migration and its duration in milliseconds.

    Returns:
        The files that this call applied, in order.

    Raises:
        ConfigurationError: sql/ is invalid; nothing was applied.
        MigrationDriftError: sql/ and the database disagree; nothing was applied.
        BusyError: another process was applying migrations for the whole time.
        StatementError: a file failed and was rolled back; the files before it stay applied.

    """
    migrations = read_migrations(directory)
    with db.session(engine, role=role) as connection:
        if not state(connection, migrations).pending:
            return []
        db.lock(connection, _LOCK, seconds=lock_wait_seconds)
        done = []
        is_distributed = distribution.is_distributed(connection, schema)
        for migration in state(connection, migrations).pending:
            on_applied(migration, _apply(connection, migration, run_id, is_distributed=is_distributed))
            done.append(migration.file)
        return done


def baseline(engine: db.Engine, through: int, directory: Path = SQL_DIRECTORY, *, role: str | None = None) -> list[str]:
    """Record migrations as applied without running them, for a database that already has their objects.

    Arguments:
        engine: the database.
        through: the last number to record.
        directory: the folder of the files.
        role: the role that records them.

    Returns:
        The recorded files, in order. Migration 001 is applied if necessary, because it creates the record.

    Raises:
        UsageError: there is no file with this number.
        ConfigurationError: as for `migrate`.

    """
    migrations = read_migrations(directory)
    if not 1 <= through <= len(migrations):
        raise UsageError(f"sql/ has no file {through:03d}", hint=f"Give a number from 1 to {len(migrations)}.")
    with db.session(engine, role=role) as connection:
        db.lock(connection, _LOCK, seconds=60)
        done = []
        for migration in state(connection, migrations).pending:
            if migration.number > through:
                break
            if migration.number == 1:
                _apply(connection, migration, None)
            else:
                _record(connection, migration, 0, None, is_baseline=True)
            done.append(migration.file)
        return done


def _apply(
    connection: db.Connection, migration: Migration, run_id: UUID | None, *, is_distributed: bool = False
) -> int:
    if migration.in_transaction:
        return _apply_in_transaction(connection, migration, run_id, is_distributed=is_distributed)
    started = time.monotonic()
    _execute(connection, migration, migration.text)
    duration_ms = _milliseconds_since(started)
    _record(connection, migration, duration_ms, run_id)
    return duration_ms


def _apply_in_transaction(
    connection: db.Connection, migration: Migration, run_id: UUID | None, *, is_distributed: bool
) -> int:
    """Execute a file and record it, with two messages. The connection is an autocommit session."""
    started = time.monotonic()
    # Citus passes on to the nodes the whole text that a change of a table came with
    execute = _execute_one_by_one if is_distributed else _execute_in_one_message
    try:
        if not execute(connection, migration):
            raise ConfigurationError(
                f"sql/{migration.file} ended its transaction",
                hint="Undo its changes by hand, then remove the COMMIT from it.",
            )
        duration_ms = _milliseconds_since(started)
        _record(connection, migration, duration_ms, run_id, is_in_transaction=True)
    except BaseException:
        # the driver's own rollback does nothing in an autocommit session
        if not connection.closed and connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
            with connection.cursor() as cursor:
                cursor.execute("rollback")
        raise
    return duration_ms


def _execute_in_one_message(connection: db.Connection, migration: Migration) -> bool:
    """Begin a transaction, execute a file, and return whether it is still the same transaction."""
    # the file may end in a comment or without a semicolon
    return bool(_execute(connection, migration, f"{_BEGIN}{migration.text}\n;{_IS_SAME_TRANSACTION}"))


def _execute_one_by_one(connection: db.Connection, migration: Migration) -> bool:
    """Do the same on a cluster, and spread the tables that the file has created."""
    _execute(connection, migration, _BEGIN)
    parts = [str(each) for each in _statements(migration.text)]
    for part in (_ONE_BY_ONE, *parts, distribution.statement("distribute")):
        _execute(connection, migration, part)
    return bool(_execute(connection, migration, _IS_SAME_TRANSACTION))


def _execute(connection: db.Connection, migration: Migration, text: str) -> Any:
    """Execute statements of a file. Return the first value of the last of them, if it returns rows."""
    try:
        with connection.cursor() as cursor:
            # without arguments, so that % is no placeholder
            cursor.execute(text)
            found = cursor.fetchone() if cursor.description else None
            return found[0] if found else None
    except psycopg2.Error as exc:
        error = db.translate(exc)
        error.args = (f"sql/{migration.file}: {error}",)
        raise error from exc


def _record(
    connection: db.Connection,
    migration: Migration,
    duration_ms: int,
    run_id: UUID | None,
    *,
    is_baseline: bool = False,
    is_in_transaction: bool = False,
) -> None:
    record = {
        "file": migration.file,
        "checksum": migration.checksum,
        "duration_ms": duration_ms,
        "application_version": __version__,
        "run_id": str(run_id) if run_id else None,
        "is_baseline": is_baseline,
    }
    commit: list[db.Asked] = [(SQL("commit"), {})] if is_in_transaction else []
    db.execute_together(connection, (_queries.record, record), *commit)


def _milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
