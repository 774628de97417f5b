"""ops.rejected_rows, the quarantine: rejected rows as they came, each with its reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
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
    "stray_quote",
    "stray_carriage_return",
    "not_json",
]

_queries = db.queries("quarantine")


@dataclass(frozen=True)
class RejectedRow:
    """A row in quarantine.

    Arguments:
        line: the physical line that it begins on; the first line of the file is 1.
        reason: why it was rejected.
        raw: its bytes, without the line end.
        column: the first column at fault, None where the row as a whole is.

    """

    line: int
    reason: Reason
    raw: bytes
    column: str | None = None


def record(connection: db.Connection, file_id: int, rows: Iterable[RejectedRow], run_id: UUID) -> int:
    """Write rejected rows of one file. The caller commits.

    Arguments:
        connection: in the file's transaction.
        file_id: the file.
        rows: the rows; they are sent a thousand at a time.
        run_id: the run that loads the file.

    Returns:
        The number of rows.

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


def faults(connection: db.Connection, file_ids: Iterable[int]) -> dict[int, list[Fault]]:
    """Return how many rows of files were rejected for each reason and column, the most frequent first.

    Arguments:
        connection: any connection.
        file_ids: the files.

    """
    found: dict[int, list[Fault]] = {}
    for row in _queries.faults(connection, file_ids=list(file_ids)):
        found.setdefault(row.file_id, []).append(Fault(row.reason, row.column_name, row.rows_rejected))
    return found


@dataclass(frozen=True)
class Group:
    """Rejected rows of one file that have the same reason and column.

    Arguments:
        filename: the file's name in the landing zone.
        dataset: the name of their dataset.
        reason: why they were rejected.
        column: the first column at fault, None where the row as a whole is.
        rows: the number of rows.
        first_line: the line of the first of them.
        rejected_at: when the last of them was rejected.

    """

    filename: str
    dataset: str
    reason: str
    column: str | None
    rows: int
    first_line: int
    rejected_at: datetime


def groups(connection: db.Connection, target_schema: str) -> list[Group]:
    """Return the rejected rows of all files that are loaded now, grouped.

    Arguments:
        connection: any connection.
        target_schema: the schema of the raw tables.

    """
    return [
        Group(
            row.source_filename,
            row.source,
            row.reason,
            row.column_name,
            row.rows_rejected,
            row.first_line,
            row.rejected_at,
        )
        for row in _queries.by_file(connection, target_schema=target_schema)
    ]


class RejectedPlace(NamedTuple):
    """Where a rejected row is and why it was rejected, without the row itself.

    Arguments:
        dataset: the name of its dataset.
        line: the physical line that it begins on.
        reason: why it was rejected.
        column: the first column at fault, None where the row as a whole is.

    """

    dataset: str
    line: int
    reason: str
    column: str | None


def rows_of(connection: db.Connection, target_schema: str, filename: str) -> list[RejectedPlace]:
    """Return where the rejected rows of a file are, in order.

    Arguments:
        connection: any connection.
        target_schema: the schema of the raw tables.
        filename: the file's name in the landing zone.

    """
    return [
        RejectedPlace(row.source, row.line_number, row.reason, row.column_name)
        for row in _queries.of_file(connection, target_schema=target_schema, source_filename=filename)
    ]


def raw_rows_of(connection: db.Connection, target_schema: str, filename: str) -> Iterator[RejectedRow]:
    """Yield the rejected rows of a file as they came.

    Arguments:
        connection: a connection of a role that may read ops.rejected_rows.raw_line.
        target_schema: the schema of the raw tables.
        filename: the file's name in the landing zone.

    """
    for row in _queries.raw_of_file(connection, target_schema=target_schema, source_filename=filename):
        yield RejectedRow(row.line_number, row.reason, bytes(row.raw_line), row.column_name)
