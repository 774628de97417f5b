"""The pipeline as a client: this version, or another one in a folder of its own."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from ingestion.config import ROOT, Database
from scripts.bench.clients import ClientFailedError, Measurement, measure
from scripts.bench.inputs import BUILD
from scripts.bench.servers import Server, row_of


@dataclass(frozen=True)
class Pipeline:
    """A version of the pipeline.

    Arguments:
        tree: the folder of its repository.

    """

    tree: Path = ROOT

    def call(self, database: Database, *arguments: str, server: Server | None = None) -> tuple[Measurement, str]:
        """Run `python -m ingestion` on a database.

        Arguments:
            database: where to.
            arguments: the command and its options.
            server: whose processor time to measure as well.

        Returns:
            The measurement, and the JSON lines of the log.

        Raises:
            ClientFailedError: the exit code is not 0.

        """
        environment = {
            "DATABASE_URL": database.dsn,
            "PIPELINE_LOG_FORMAT": "json",
            "PIPELINE_REPORT_DIR": str(BUILD / "reports"),
            "DBT_TARGET_PATH": str(BUILD / "target" / self.tree.name),
            "DBT_LOG_PATH": str(BUILD / "logs"),
        }
        return measure([sys.executable, "-m", "ingestion", *arguments], environment, server, self.tree)

    def migrate(self, database: Database) -> None:
        """Create the tables."""
        self.call(database, "migrate")

    def ingest(self, server: Server, database: Database, folder: Path | str, *options: str) -> Measurement:
        """Load a landing zone with the manifest.

        Arguments:
            server: whose processor time to measure as well.
            database: where to.
            folder: the landing zone.
            options: further options of the command.

        Returns:
            The measurement; its `seconds` are those of the step of ingest.

        Raises:
            ClientFailedError: the exit code is not 0.

        """
        command = ("ingest", "--data-dir", str(folder), "--use-manifest", *options)
        measured, printed = self.call(database, *command, server=server)
        lines = (json.loads(line) for line in printed.splitlines() if line.startswith("{"))
        step = next(line for line in lines if line.get("step") == "ingest" and line.get("status") == "success")
        return replace(measured, seconds=step["duration_ms"] / 1000)


def check_loaded(database: Database, files: int, rows: int | None = None) -> None:
    """Check that the manifest has what was to be loaded: a figure of anything else would be worthless.

    Arguments:
        database: where it was loaded.
        files: the number of loaded files.
        rows: the number of their rows; None to leave it unchecked.

    Raises:
        ClientFailedError: there are others.

    """
    query = "select count(*), coalesce(sum(row_count), 0) from ops.raw_ingest_manifest where status = 'loaded'"
    loaded_files, loaded_rows = row_of(database, query)
    if loaded_files != files or rows not in {None, loaded_rows}:
        raise ClientFailedError(f"{loaded_files} files with {loaded_rows} rows were loaded and not {files} with {rows}")
