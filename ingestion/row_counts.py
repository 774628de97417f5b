"""Compare the rows of raw tables with those that the manifest records: somebody may have deleted some by hand."""

from typing import NamedTuple

from psycopg2.sql import SQL, Identifier

from ingestion import db

_queries = db.queries("row_counts")


class Miscount(NamedTuple):
    """A loaded file that has other rows in its raw table than the manifest records.

    Arguments:
        file_id: the file.
        recorded: the number of rows that the manifest records.
        found: the number of rows in the table.

    """

    file_id: int
    recorded: int
    found: int


def miscounts(connection: db.Connection, target_schema: str) -> list[Miscount]:
    """Count the rows of every loaded file, and return the files whose count differs. This reads the raw tables.

    Arguments:
        connection: a connection that may read the manifest and the raw tables.
        target_schema: the schema of the raw tables.

    """
    found: list[Miscount] = []
    for row in list(_queries.loaded_tables(connection, target_schema=target_schema)):
        with connection.cursor() as cursor:
            # one statement, and therefore one moment
            cursor.execute(
                SQL(_queries.miscounts.sql).format(table=Identifier(target_schema, row.source)),
                {"target_schema": target_schema, "dataset": row.source},
            )
            found += [Miscount(*each) for each in cursor.fetchall()]
    return found
