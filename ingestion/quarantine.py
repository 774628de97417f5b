"""ops.rejected_rows: rows that were refused, kept as they came, with the reason."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from psycopg2.extras import execute_values

from ingestion import db

Reason = Literal[
    "too_few_fields",
    "too_many_fields",
    "not_castable",
    "out_of_range",
    "missing_key",
    "undecodable",
    "nul_byte",
    "unclosed_quote",
    "stray_carriage_return",
]

_queries = db.queries("quarantine")


@dataclass(frozen=True)
class RejectedRow:
    """A row that was refused.

    Arguments:
        line: the physical line it begins on, the header being line 1.
        reason: why.
        raw: its bytes, without the line end.
        column: the first column at fault, where one is.

    """

    line: int
    reason: Reason
    raw: bytes
    column: str | None = None


def record(connection: db.Connection, file_id: int, rows: Iterable[RejectedRow], run_id: UUID) -> int:
    """Keep the rows of one file; the caller commits.

    Arguments:
        connection: in the file's transaction.
        file_id: the file.
        rows: streamed, a thousand at a time.
        run_id: the run.

    Returns:
        How many there were.

    """
    written = 0

    def values() -> Iterable[tuple[int, int, str | None, str, bytes, str]]:
        nonlocal written
        for row in rows:
            written += 1
            yield file_id, row.line, row.column, row.reason, row.raw, str(run_id)

    with connection.cursor() as cursor:
        execute_values(cursor, _queries.record.sql, values(), page_size=1000)
    return written


def reasons(connection: db.Connection, file_id: int) -> list[tuple[str, str | None, int]]:
    """Return reason, column and number of rows, the most frequent first.

    Arguments:
        connection: any.
        file_id: the file.

    """
    return [(reason, column, count) for reason, column, count in _queries.reasons(connection, file_id=file_id)]
