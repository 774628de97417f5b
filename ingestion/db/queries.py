"""Load the SQL of `ingestion/queries`."""

from pathlib import Path
from typing import Any

import aiosql


def queries(name: str) -> Any:
    """Return the queries of `ingestion/queries/<name>.sql` as functions of a connection and their parameters.

    Arguments:
        name: the file, without its suffix.

    """
    return aiosql.from_path(Path(__file__).parents[1] / "queries" / f"{name}.sql", "psycopg2")
