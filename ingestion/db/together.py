"""Several statements in one round trip: a database may be far away."""

from typing import Any

from psycopg2.sql import SQL, Composable, Identifier

from ingestion.db.connections import Connection

Asked = tuple[Any, dict[str, Any]]


def execute_together(connection: Connection, *statements: Asked) -> Any:
    """Execute statements in one message. In an autocommit session they are one transaction.

    Arguments:
        connection: any connection.
        statements: a query of `queries` and its parameters, for each statement.

    Returns:
        The first value of the last statement; None where that returns no rows.

    """
    if not statements:
        return None
    with connection.cursor() as cursor:
        cursor.execute(b"; ".join(cursor.mogrify(_text(query), given) for query, given in statements))
        found = cursor.fetchone() if cursor.description else None
        return found[0] if found else None


def read_together(connection: Connection, **reads: Asked) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of several reads of one moment, with one statement.

    Arguments:
        connection: any connection.
        reads: for each name, a query of `queries`, or a statement, and its parameters. Its columns have names.

    Returns:
        For each name, its rows: their values by column, as JSON has them.

    """
    with connection.cursor() as cursor:
        parts: list[Composable] = [
            SQL("(select coalesce(json_agg(row), '[]') from ({}) as row) as {}").format(
                SQL(cursor.mogrify(_text(query), given).decode()), Identifier(name)
            )
            for name, (query, given) in reads.items()
        ]
        cursor.execute(SQL("select {}").format(SQL(", ").join(parts)))
        found = cursor.fetchone()
    return dict(zip(reads, found or (), strict=True))


def _text(query: Any) -> Any:
    return query if isinstance(query, Composable) else query.sql.rstrip().rstrip(";")
