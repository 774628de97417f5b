"""What the database holds at one moment."""

from collections import Counter
from dataclasses import dataclass
from io import StringIO
from typing import Any

from tests.torture.contents import DATASETS
from tests.torture.server import Server

_LOADED = """
select source, source_filename, checksum, file_id, rows_read, row_count, rows_rejected, rows_blank, rows_erased
from ops.raw_ingest_manifest where status = 'loaded'
"""


@dataclass(frozen=True)
class Loaded:
    """A row of the manifest with the status `loaded`."""

    dataset: str
    filename: str
    checksum: str
    file_id: int
    read: int
    rows: int
    rejected: int
    blank: int
    erased: int


@dataclass(frozen=True)
class Snapshot:
    """What the database holds.

    Arguments:
        loaded: the manifest's loaded files.
        raw: the rows of each dataset and file, as lines of CSV with their number.
        quarantine: line number and bytes of each rejected row, by file.
        refused: names and checksums of refused files.
        runs: the record of each run by its id.
        steps: run, step and status of each step.
        claims: how many claims are recorded.
        erased: how many participants are erased.

    """

    loaded: list[Loaded]
    raw: dict[tuple[str, int], Counter[str]]
    quarantine: dict[int, Counter[tuple[int, bytes]]]
    refused: set[tuple[str, str]]
    runs: dict[str, Any]
    steps: list[tuple[str, str, str]]
    claims: int
    erased: int


def is_migrated(server: Server, database: str) -> bool:
    """Whether a database has the tables that a snapshot reads."""
    return server.rows("select to_regclass('ops.file_claims') is not null", database=database) == [(True,)]


def take(server: Server, database: str) -> Snapshot:
    """Read a migrated database, in one transaction."""
    connection = server.connect(database)
    connection.set_session(isolation_level="REPEATABLE READ", autocommit=False)
    try:
        with connection.cursor() as cursor:

            def rows(query: str) -> list[tuple[Any, ...]]:
                cursor.execute(query)
                return cursor.fetchall()

            raw: dict[tuple[str, int], Counter[str]] = {}
            for dataset in DATASETS.values():
                text = StringIO()
                query = f"copy (select _file_id, {dataset.columns} from raw.{dataset.name}) to stdout (format csv)"
                cursor.copy_expert(query, text)
                for line in text.getvalue().splitlines():
                    file_id, row = line.split(",", 1)
                    raw.setdefault((dataset.name, int(file_id)), Counter())[row] += 1
            quarantine: dict[int, Counter[tuple[int, bytes]]] = {}
            for file_id, number, line in rows("select file_id, line_number, raw_line from ops.rejected_rows"):
                quarantine.setdefault(file_id, Counter())[number, bytes(line)] += 1
            return Snapshot(
                [Loaded(*row) for row in rows(_LOADED)],
                raw,
                quarantine,
                set(rows("select source_filename, checksum from ops.raw_ingest_manifest where status = 'refused'")),
                {row[0]: row[1:] for row in rows("select run_id::text, status, exit_code from ops.pipeline_runs")},
                rows("select run_id::text, step, status from ops.pipeline_steps"),
                rows("select count(*) from ops.file_claims")[0][0],
                rows("select count(*) from ops.erased_users")[0][0],
            )
    finally:
        connection.close()
