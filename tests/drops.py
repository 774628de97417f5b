"""Small files, and a landing zone to put them into."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg2.extensions
import pytest

from ingestion import db, redaction
from ingestion.ingest import Plan, ingest
from ingestion.results import IngestResult
from ingestion.storage import open_storage

# calls the command line with arguments, and returns the exit code
Invoke = Callable[..., int]

SLEEP_HEADER = "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed"
ACTIVITY_HEADER = (
    "Id,ActivityDate,TotalSteps,VeryActiveMinutes,FairlyActiveMinutes,LightlyActiveMinutes,SedentaryMinutes,Calories"
)


def sleep(*users: int) -> bytes:
    """Return a sleep file with one night per user."""
    return "".join(
        f"{line}\n" for line in (SLEEP_HEADER, *(f"{u},4/12/2016 12:00:00 AM,1,327,346" for u in users))
    ).encode()


def activity(*users: int) -> bytes:
    """Return a daily activity file with one day per user."""
    return "".join(
        f"{line}\n" for line in (ACTIVITY_HEADER, *(f"{u},4/12/2016,13162,25,13,328,728,1985" for u in users))
    ).encode()


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide no secret until the test ends."""
    nothing: dict[str, Any] = {"_secrets": frozenset(), "_literals": (), "_needles": (), "_short": None}
    for name, value in nothing.items():
        monkeypatch.setattr(redaction, name, value)


@dataclass(frozen=True)
class Landing:
    """A landing zone and the database that it is loaded into."""

    root: Path
    engine: db.Engine

    def put(self, name: str, content: bytes) -> Path:
        """Write a file under another name and rename it, as a careful sender does."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(".part")
        part.write_bytes(content)
        return part.replace(path)

    def ingest(self, *, use_manifest: bool = True, schema: str = "raw", run_id: UUID | None = None) -> IngestResult:
        """Ingest the landing zone."""
        storage = open_storage(str(self.root))
        return ingest(self.engine, storage, run_id or uuid4(), Plan(schema=schema, use_manifest=use_manifest))

    def statuses(self, *, use_manifest: bool = True, schema: str = "raw") -> dict[str, str]:
        """Ingest the landing zone and return the status of each file."""
        return {file.filename: file.status for file in self.ingest(use_manifest=use_manifest, schema=schema).files}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, as plain tuples."""
        # a named row cannot have two columns of one name
        with db.translated(), self._connection.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    @cached_property
    def _connection(self) -> db.Connection:
        connection: db.Connection = self.engine.raw_connection()
        connection.autocommit = True
        return connection

    def ids(self, table: str = "raw.sleep") -> list[str]:
        """Return the id of each row's user as it is stored, sorted."""
        return [user for (user,) in self.rows(f"select user_id from {table} order by user_id")]

    def users(self, table: str = "raw.sleep") -> list[int]:
        """Return the number of each row's user, sorted, for files with plain numbers as ids."""
        stored = self.ids(table)
        users = sorted(map(int, stored))
        assert sorted(map(str, users)) == sorted(stored), "an id is stored otherwise than written"
        return users

    def check(self, schema: str = "raw") -> None:
        """Assert that manifest, tables and quarantine agree."""
        for dataset in ("sleep", "daily_activity"):
            in_table = self.rows(f'select _file_id, count(*) from "{schema}".{dataset} group by 1 order by 1')
            in_manifest = self.rows(
                "select file_id, row_count from ops.raw_ingest_manifest where status = 'loaded' and row_count > 0"
                f" and target_schema = '{schema}' and source = '{dataset}' order by 1"
            )
            assert in_table == in_manifest
        assert (
            self.rows(
                "select m.file_id from ops.raw_ingest_manifest as m"
                " left join (select file_id, count(*) as n from ops.rejected_rows group by 1) as r using (file_id)"
                " where m.status <> 'retracted' and m.rows_rejected <> coalesce(r.n, 0)"
                " or m.rows_read <> m.row_count + m.rows_rejected + m.rows_blank + m.rows_erased"
            )
            == []
        )
