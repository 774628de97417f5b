"""Load the SQL of `ingestion/queries`."""

from pathlib import Path
from typing import Any

import aiosql
from psycopg2.sql import SQL, Composable


class _Queries:
    """The queries of a file, which is read when one of them is first used: few commands need more than some files."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            found = aiosql.from_path(self._path, "psycopg2")
            # from here on they are found without this method
            self.__dict__.update({query: getattr(found, query) for query in found.available_queries})
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f"{self._path.name} has no query {name!r}", name=name, obj=self)


def queries(name: str) -> Any:
    """Return the queries of `ingestion/queries/<name>.sql` as functions of a connection and their parameters.

    Arguments:
        name: the file, without its suffix.

    """
    return _Queries(Path(__file__).parents[1] / "queries" / f"{name}.sql")


def composed(query: Any, **parts: Composable) -> Composable:
    """Return the statement of a query, with identifiers, values or other statements in place of its {names}.

    Arguments:
        query: a query of `queries`.
        parts: what stands in place of each name.

    """
    return SQL(query.sql.rstrip().rstrip(";")).format(**parts)
