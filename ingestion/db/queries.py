"""Load the SQL of `ingestion/queries`."""

from pathlib import Path
from typing import Any

import aiosql
from psycopg2.sql import SQL, Composable


def queries(name: str) -> Any:
    """Return the queries of `ingestion/queries/<name>.sql` as functions of a connection and their parameters.

    Arguments:
        name: the file, without its suffix.

    """
    return aiosql.from_path(Path(__file__).parents[1] / "queries" / f"{name}.sql", "psycopg2")


def composed(query: Any, **parts: Composable) -> Composable:
    """Return the statement of a query, with identifiers, values or other statements in place of its {names}.

    Arguments:
        query: a query of `queries`.
        parts: what stands in place of each name.

    """
    return SQL(query.sql.rstrip().rstrip(";")).format(**parts)
