"""ops.rejected_rows: rows that were refused, kept as they came, with the reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg2.extras import execute_values

from ingestion import db
from ingestion.results import Fault

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
    "not_json",
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


def faults(connection: db.Connection, file_id: int) -> list[Fault]:
    """Return reason, column and number of rows of what is wrong with a file, the most frequent first.

    Arguments:
        connection: any.
        file_id: the file.

    """
    return [
        Fault(row.reason, row.column_name, row.rows_rejected) for row in _queries.faults(connection, file_id=file_id)
    ]


@dataclass(frozen=True)
class Group:
    """Rejected rows of one file that have the same fault.

    Arguments:
        filename: the file's name in the landing zone.
        dataset: the dataset they were read for.
        reason: the fault.
        column: where it is, if in a column.
        rows: how many.
        first_line: the first of them.
        rejected_at: when the last of them was refused.

    """

    filename: str
    dataset: str
    reason: str
    column: str | None
    rows: int
    first_line: int
    rejected_at: datetime


def groups(connection: db.Connection, target_schema: str) -> list[Group]:
    """Return what is in quarantine of the files that are loaded now.

    Arguments:
        connection: any.
        target_schema: of the raw tables.

    """
    return [Group(*row) for row in _queries.by_file(connection, target_schema=target_schema)]


def rows_of(connection: db.Connection, target_schema: str, filename: str) -> list[tuple[str, int, str, str | None]]:
    """Return dataset, line, reason and column of each rejected row of a file, without the row itself.

    Arguments:
        connection: any.
        target_schema: of the raw tables.
        filename: the file's name in the landing zone.

    """
    return list(_queries.of_file(connection, target_schema=target_schema, source_filename=filename))


def raw_rows_of(connection: db.Connection, target_schema: str, filename: str) -> Iterator[RejectedRow]:
    """Yield each rejected row of a file as it came; only a role that may read ops.rejected_rows.raw_line can.

    Arguments:
        connection: any.
        target_schema: of the raw tables.
        filename: the file's name in the landing zone.

    """
    for line, reason, column, raw in _queries.raw_of_file(
        connection, target_schema=target_schema, source_filename=filename
    ):
        yield RejectedRow(line, reason, bytes(raw), column)
