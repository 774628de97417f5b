"""A database for the tests of dbt/: load files into raw, run dbt, read the marts as frames."""

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
from dbt.cli.main import dbtRunner

from ingestion.config import Database
from tests.conftest import clone_database, drop_database
from tests.integration import oracle

PROJECT = Path(__file__).parents[2] / "dbt"
_ENVIRONMENT = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}

# the key of each mart, for comparing rows
KEYS = {
    "dim_participant": ["user_id"],
    "fct_user_day": ["user_id", "activity_date"],
    "fct_user_day_baseline": ["user_id", "activity_date", "metric"],
    "fct_user_day_deviation": ["user_id", "activity_date", "metric"],
    "fct_user_week_engagement": ["user_id", "week_start_date"],
    "fct_user_status": ["user_id", "as_of_date"],
    "rpt_definitions": ["arm", "site", "definition"],
    "rpt_flow": ["arm", "site", "step"],
    "rpt_follow_up": ["user_id"],
    "rpt_unjudged_days": ["arm", "site", "reason"],
    "rpt_cohort_engagement": ["arm", "site", "week_start_date", "cohort", "status"],
    "rpt_retention": ["arm", "site", "day"],
    "fct_data_quality": ["rule"],
}
LATEST_QUALITY = """(
    select * from marts.fct_data_quality
    where checked_at = (select max(checked_at) from marts.fct_data_quality)
) as latest"""

# parsing all models takes as long as building them
_manifests: dict[tuple[str, ...], Any] = {}
_in_use: set[str] = set()


class Warehouse:
    """A migrated database and its marts.

    Arguments:
        database: the database.
        workspace: a folder for dbt's output.

    """

    def __init__(self, database: Database, workspace: Path) -> None:
        self.database = database
        self._workspace = workspace
        self.connection = psycopg2.connect(database.dsn)
        self.connection.autocommit = True

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def put(self, source: str, name: str, rows: pd.DataFrame, device: str = "Fitbit") -> None:
        """Load rows as the content of a file of a device, in place of its former content."""
        self.retract(source, name, status="replaced")
        content = rows.to_csv(index=False)
        columns = list(rows.columns)
        ((file_id,),) = self.execute(
            "insert into ops.raw_ingest_manifest "
            "(source_filename, checksum, row_count, status, source, size_bytes, rows_read, device) "
            "values (%s, %s, %s, 'loaded', %s, %s, %s, %s) returning file_id",
            (
                *(name, hashlib.sha256(f"{name}{content}".encode()).hexdigest(), len(rows), source, len(content)),
                *(len(rows), device),
            ),
        )
        with self.connection.cursor() as cursor:
            cursor.execute(f"set ingest.file_id = {file_id}")
            cursor.copy_expert(
                f"copy raw.{source} ({', '.join(columns)}) from stdin (format csv, header)", io.StringIO(content)
            )

    def retract(self, source: str, name: str, status: str = "retracted") -> None:
        """Remove a file's rows from raw."""
        gone = self.execute(
            "update ops.raw_ingest_manifest set status = %s "
            "where source = %s and source_filename = %s and status = 'loaded' returning file_id",
            (status, source, name),
        )
        for (file_id,) in gone:
            self.execute(f"delete from raw.{source} where _file_id = %s", (file_id,))

    def dbt(self, *arguments: str) -> Any:
        """Run dbt in this process; fail with the messages of dbt."""
        variables = [argument for argument in arguments if argument.startswith("{")]
        with self._environment():
            runner = dbtRunner(manifest=self._parsed(variables))
            outcome = runner.invoke([*arguments, *self._options()])
        if not outcome.success:
            results = getattr(outcome.result, "results", [])
            failures = [f"{r.node.name}: {r.message}" for r in results if r.status in ("error", "fail")]
            raise AssertionError("\n".join(failures) or repr(outcome.exception or outcome.result))
        return outcome.result

    def _parsed(self, variables: list[str]) -> Any:
        """Return the parsed models; they name the database."""
        key = (str(self.database.parameters.get("host")), self.database.parameters["dbname"], *variables)
        if key not in _manifests:
            options = ["--vars", *variables] if variables else []
            _manifests[key] = dbtRunner().invoke(["parse", *options, *self._options()]).result
        return _manifests[key]

    def build(self, *arguments: str) -> Any:
        """Build the marts and run their tests, as the pipeline does."""
        return self.dbt("build", "--exclude-resource-type", "unit_test", *arguments)

    def run(self, *arguments: str) -> Any:
        """Build the marts without tests."""
        return self.dbt("run", *arguments)

    def frame(self, query: str) -> pd.DataFrame:
        with self.connection.cursor() as cursor:
            cursor.execute(query)
            assert cursor.description
            return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description])

    def mart(self, name: str) -> pd.DataFrame:
        relation = LATEST_QUALITY if name == "fct_data_quality" else f"marts.{name}"
        return self.frame(f"select * from {relation} order by {', '.join(KEYS[name])}")

    def raw(self, source: str) -> pd.DataFrame:
        # the roster has a column of this name
        device = "" if source == "participants" else ", coalesce(m.device, 'unnamed') as device"
        return self.frame(
            f"select r.*, m.source_filename as file_name{device} "
            f"from raw.{source} as r "
            "join ops.raw_ingest_manifest as m on m.file_id = r._file_id"
        )

    def close(self) -> None:
        self.connection.close()

    def _options(self) -> list[str]:
        return [
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--quiet"),
            *("--target-path", str(self._workspace / "target"), "--log-path", str(self._workspace / "logs")),
        ]

    @contextmanager
    def _environment(self) -> Iterator[None]:
        before = dict(os.environ)
        for parameter, variable in _ENVIRONMENT.items():
            if value := self.database.parameters.get(parameter):
                os.environ[variable] = value
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def opened(server: Database, template: Database, workspace: Path) -> Iterator[Warehouse]:
    """Yield a new migrated database without files, and drop it at the end.

    Arguments:
        workspace: a folder for dbt's output.

    """
    # a name that was used before: the models are parsed already
    name = next(name for number in count(1) if (name := f"marts_{os.getpid()}_{number}") not in _in_use)
    database = clone_database(server, name, template)
    _in_use.add(name)
    warehouse = Warehouse(database, workspace)
    try:
        yield warehouse
    finally:
        warehouse.close()
        drop_database(server, database)
        _in_use.remove(name)


def assert_same(actual: pd.DataFrame, expected: pd.DataFrame, mart: str) -> None:
    """Compare cell by cell the columns that `expected` has; numbers to nine digits."""
    key = KEYS[mart]
    left, right = (frame.sort_values(key, ignore_index=True)[list(expected.columns)] for frame in (actual, expected))
    assert len(left) == len(right), f"{mart}: {len(left)} rows, expected {len(right)}"
    for column in right.columns:
        ours, theirs = _comparable(left[column]), _comparable(right[column])
        pd.testing.assert_series_equal(ours, theirs, check_dtype=False, rtol=1e-9, atol=1e-9, obj=f"{mart}.{column}")


def assert_marts_are_right(warehouse: Warehouse) -> None:
    expected = oracle.marts(warehouse.raw)
    for mart in KEYS:
        actual = warehouse.mart(mart)
        if mart == "fct_data_quality":
            actual = actual[~actual["rule"].str.endswith(".load")]
        if mart in expected:
            assert_same(actual, expected[mart], mart)
        else:
            assert actual.empty


def _comparable(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return numbers as floats and all else as objects, None for what is missing."""
    if column.name != "user_id":
        numbers = pd.to_numeric(column, errors="coerce")
        if numbers.isna().equals(column.isna()):
            return numbers.astype("float64")
    return column.astype(object).where(column.notna(), None)
