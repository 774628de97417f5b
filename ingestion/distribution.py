"""Spread the raw tables over the nodes of a Citus cluster, and bring them back to one node."""

from collections.abc import Sequence
from typing import Any, Literal

from psycopg2.sql import SQL, Identifier

from ingestion import db
from ingestion.config import ROOT
from ingestion.errors import ConfigurationError, UsageError

Direction = Literal["distribute", "undistribute"]

_DIRECTORY = ROOT / "sql" / "citus"
_LOCK = "migrate"
_queries = db.queries("distribution")


def is_distributed(connection: db.Connection, schema: str) -> bool:
    """Whether the raw tables are spread over several nodes.

    Arguments:
        connection: any connection.
        schema: the schema of the raw tables.

    """
    return bool(_queries.has_citus(connection) and _queries.is_distributed(connection, target_schema=schema))


def statement(direction: Direction) -> str:
    """Return the statement that spreads the raw tables, or brings them back. It does nothing where that is done.

    Arguments:
        direction: which of the two.

    """
    return _DIRECTORY.joinpath(f"{direction}.sql").read_text(encoding="utf-8")


def change_nodes(
    engine: db.Engine,
    schema: str,
    direction: Direction,
    *,
    most_rows: int,
    role: str | None = None,
    lock_wait_seconds: float = 60.0,
) -> list[str]:
    """Spread the raw tables over the nodes, or bring them back to one, in one transaction.

    Arguments:
        engine: the database, with all migrations applied.
        schema: the schema of the raw tables.
        direction: which of the two.
        most_rows: how many rows may be moved.
        role: the role that owns the tables.
        lock_wait_seconds: how long to wait for another process that applies migrations.

    Returns:
        The tables that were moved, in the order of their names.

    Raises:
        ConfigurationError: the database is no Citus cluster with a worker, or the role does not own the tables.
        UsageError: more rows would have to be moved.
        BusyError: another process was applying migrations for the whole time.
        DatabaseUnavailableError: a node cannot be reached, or does not let the role log in.
        StatementError: Citus refused a statement; nothing has changed.

    """
    with db.session(engine, role=role) as connection:
        db.lock(connection, _LOCK, seconds=lock_wait_seconds)
        _check_cluster(connection, direction)
        tables = [
            table
            for table in _queries.tables(connection, target_schema=schema)
            if table.is_distributed is (direction == "undistribute")
        ]
        if not tables:
            return []
        _check_owner(tables, role)
        _check_rows(connection, tables, direction, most_rows)
        # a transaction of its own: Citus changes no table that a transaction has read on several nodes at once
        with connection.cursor() as cursor:
            cursor.execute("begin")
            try:
                _queries.set_schema(connection, target_schema=schema)
                cursor.execute(statement(direction))
                cursor.execute("commit")
            except BaseException:
                if not connection.closed:
                    cursor.execute("rollback")
                raise
        return [f"{table.schema_name}.{table.table_name}" for table in tables]


def _check_cluster(connection: db.Connection, direction: Direction) -> None:
    if not _queries.has_citus(connection):
        raise ConfigurationError(
            "the database is one PostgreSQL server without the extension citus, and has no nodes",
            hint="docs/scale-out.md says who needs several nodes, and how to set them up.",
        )
    cluster = _queries.cluster(connection)
    if not cluster.is_coordinator:
        raise ConfigurationError(
            "the server is a worker of Citus, and not its coordinator", hint="Name the coordinator in DATABASE_URL."
        )
    if direction == "distribute" and not cluster.workers:
        raise ConfigurationError(
            "Citus has no worker to put rows on",
            hint="Add one on the coordinator: select citus_add_node('HOST', 5432). See docs/scale-out.md.",
        )


def _check_owner(tables: Sequence[Any], role: str | None) -> None:
    foreign = [f"{table.schema_name}.{table.table_name}" for table in tables if not table.is_owned]
    if foreign:
        raise ConfigurationError(
            f"only its owner can move {foreign[0]}, and {role or 'the login role'} is not the owner",
            hint="Name the owner in PIPELINE_OWNER_ROLE, or change the owner; see docker/postgres/roles.sql.",
        )


def _check_rows(connection: db.Connection, tables: Sequence[Any], direction: Direction, most_rows: int) -> None:
    counts = SQL(" + ").join(
        SQL("(select count(*) from {})").format(Identifier(table.schema_name, table.table_name)) for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(SQL("select {}").format(counts))
        (rows,) = cursor.fetchone() or (0,)
    if rows > most_rows:
        raise UsageError(
            f"the raw tables have {rows:,} rows, which all have to be moved while nobody else can use the tables",
            hint=f"Make a dump first and see that the disks have room for them twice. Then: migrate --{direction}"
            f" --move-rows {rows}",
        )
