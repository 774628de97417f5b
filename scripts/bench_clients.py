"""The tools that scripts/bench.py measures: the pipeline, psql, polars, dlt and pandas, each as a process."""

import contextlib
import gzip
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import psycopg2

from ingestion import embedded
from ingestion.config import ROOT, Database
from scripts.bench_inputs import BUILD, DAILY_ACTIVITY

PEERS = BUILD / "peers"
PLAIN_TABLE = "public.plain"
SETTLED_SECONDS = 61.0
# Without method="multi", which takes three times as long: 15 columns make long statements.
TO_SQL = """
import sys
import pandas, psycopg2, sqlalchemy
engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(sys.argv[1]))
for frame in pandas.read_csv(sys.argv[2], parse_dates=[1], date_format="%m/%d/%Y", chunksize=100_000):
    frame.to_sql("pandas", engine, if_exists="append", index=False, chunksize=1_000)
"""
# The way that pandas' own guide shows for PostgreSQL: to_sql with a function that writes CSV and copies it.
TO_SQL_COPY = """
import csv, io, sys
import pandas, psycopg2, sqlalchemy

def copy(table, connection, keys, rows):
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    buffer.seek(0)
    columns = ", ".join(f'"{key}"' for key in keys)
    with connection.connection.cursor() as cursor:
        cursor.copy_expert(f'COPY "{table.name}" ({columns}) FROM STDIN WITH CSV', buffer)

engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(sys.argv[1]))
for frame in pandas.read_csv(sys.argv[2], parse_dates=[1], date_format="%m/%d/%Y", chunksize=100_000):
    frame.to_sql("pandas", engine, if_exists="append", index=False, method=copy)
"""
# polars reads with all cores and writes COPY's binary format through ADBC.
POLARS = """
import sys
import adbc_driver_postgresql.dbapi as adbc, polars
frame = polars.read_csv(sys.argv[2]).with_columns(polars.col("ActivityDate").str.to_datetime("%m/%d/%Y"))
with adbc.connect(sys.argv[1], autocommit=True) as connection:
    frame.write_database("polars", connection, engine="adbc", if_table_exists="append")
"""
# dlt's documentation recommends Arrow tables, and CSV (through COPY) or Parquet (through ADBC) to load them.
DLT = """
import sys
import dlt, pyarrow.csv

rows = dlt.resource(lambda: pyarrow.csv.open_csv(sys.argv[2]), name="activity")
pipeline = dlt.pipeline("bench", pipelines_dir=sys.argv[3], destination=dlt.destinations.postgres(sys.argv[1]))
pipeline.run(rows, loader_file_format="{}")
"""


@dataclass(frozen=True)
class Measurement:
    """The time and memory that a client took.

    Arguments:
        seconds: the time of the load if the client reports it, else of the whole process.
        process_seconds: the time from start to exit.
        peak_megabytes: the largest resident memory of the client, without the server.

    """

    seconds: float
    process_seconds: float
    peak_megabytes: float


def median(measurements: list[Measurement]) -> Measurement:
    """Return the median times and the largest memory."""
    return Measurement(
        statistics.median(m.seconds for m in measurements),
        statistics.median(m.process_seconds for m in measurements),
        max(m.peak_megabytes for m in measurements),
    )


def measure(command: list[str], environment: dict[str, str] | None = None) -> tuple[Measurement, str]:
    """Run a client to its end.

    Arguments:
        command: the program and its arguments.
        environment: variables to add.

    Returns:
        The measurement, and what the client printed.

    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        begin = time.perf_counter()
        variables = os.environ | (environment or {})
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=variables, cwd=ROOT)
        peak = 0
        while process.poll() is None:
            peak = max(peak, peak_kilobytes(process.pid))
            time.sleep(0.02)
        seconds = time.perf_counter() - begin
        output.seek(0)
        errors.seek(0)
        printed = output.read()
        if process.returncode:
            sys.stderr.write(printed + errors.read())
            raise subprocess.CalledProcessError(process.returncode, command[:4])
    return Measurement(seconds, seconds, peak / 1024), printed


def peak_kilobytes(pid: int) -> int:
    """Return the peak memory of a process so far; getrusage would include the parent's memory before exec."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    return 0


@contextlib.contextmanager
def fresh_database(server: Database) -> Iterator[Database]:
    """Create an empty database, and drop it at the end."""
    name = f"bench_{os.getpid()}"
    execute(server, f"create database {name}", "checkpoint")
    try:
        yield replace(server, parameters={**server.parameters, "dbname": name})
    finally:
        execute(server, f"drop database {name} with (force)")


def machine() -> str:
    """Return the processor and the Python version."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}"


def version(server: Database) -> str:
    """Return the server's name and version."""
    with contextlib.closing(psycopg2.connect(server.dsn)) as connection:
        return f"PostgreSQL {connection.info.parameter_status('server_version')}"


def execute(database: Database, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    connection = psycopg2.connect(database.dsn)
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def copy(server: Database, *paths: Path) -> Measurement:
    r"""Load with psql's \copy, in one session, into a table with the same columns and types and nothing else."""
    with fresh_database(server) as database:
        with gzip.open(paths[0], "rt") if paths[0].suffix == ".gz" else paths[0].open() as file:
            names = file.readline().strip().split(",")
        types = {column.header: column.type for column in DAILY_ACTIVITY.columns}
        columns = ", ".join(f'"{name}" {types.get(name, "text")}' for name in names)
        execute(database, f"create table {PLAIN_TABLE} ({columns})")
        script = BUILD / "copy.sql"
        script.write_text(script_of(paths))
        command = [str(embedded.psql()), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
        return measure([*command, database.dsn])[0]


def copy_side_by_side(server: Database, *paths: Path) -> Measurement:
    r"""Load with two psql in parallel, each with half of the files: the upper limit of two workers."""
    with fresh_database(server) as database:
        columns = ", ".join(f'"{column.header}" {column.type}' for column in DAILY_ACTIVITY.columns)
        execute(database, f"create table {PLAIN_TABLE} ({columns})")
        commands = []
        for number, half in enumerate((paths[::2], paths[1::2])):
            script = BUILD / f"copy-{number}.sql"
            script.write_text(script_of(half))
            psql = [str(embedded.psql()), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
            commands.append(shlex.join([*psql, database.dsn]))
        # Measured is the shell's memory, which says nothing about psql.
        return replace(
            measure(["sh", "-c", f"{commands[0]} & other=$!; {commands[1]} && wait $other"])[0], peak_megabytes=0
        )


def script_of(paths: Iterable[Path]) -> str:
    r"""Return the \copy commands for the files."""
    return "".join(rf"\copy {PLAIN_TABLE} from {origin(path)} with (format csv, header true)" + "\n" for path in paths)


def origin(path: Path) -> str:
    r"""Return what \copy reads: a file, or a program that unpacks it."""
    return f"program 'gzip -dc {path}'" if path.suffix == ".gz" else f"'{path}'"


def ingest(server: Database, folder: Path, *options: str) -> Measurement:
    """Load with the pipeline into an empty, migrated database."""
    settle(folder)
    with fresh_database(server) as database:
        environment = {"DATABASE_URL": database.dsn, "PIPELINE_LOG_FORMAT": "json"}
        module = [sys.executable, "-m", "ingestion"]
        measure([*module, "migrate"], environment)
        return of_step(
            *measure([*module, "ingest", "--data-dir", str(folder), "--use-manifest", *options], environment)
        )


def scan(server: Database, folder: Path, repetitions: int) -> tuple[Measurement, Measurement]:
    """Load a folder, and measure the runs afterwards that find nothing new.

    Returns:
        The measurement of the load, and the median of the others.

    """
    settle(folder)
    with fresh_database(server) as database:
        environment = {"DATABASE_URL": database.dsn, "PIPELINE_LOG_FORMAT": "json"}
        command = [sys.executable, "-m", "ingestion", "ingest", "--data-dir", str(folder), "--use-manifest"]
        first = of_step(*measure(command, environment))
        return first, median([of_step(*measure(command, environment)) for _ in range(repetitions)])


def settle(folder: Path) -> None:
    """Wait until the files are older than a minute: the pipeline reads younger ones a second time."""
    written_at = max(path.stat().st_ctime for path in folder.iterdir())
    time.sleep(max(0, written_at + SETTLED_SECONDS - time.time()))


def of_step(measured: Measurement, printed: str) -> Measurement:
    """Return the measurement of an ingest with the seconds of that step alone."""
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    step = next(line for line in lines if line.get("step") == "ingest" and line.get("status") == "success")
    return replace(measured, seconds=step["duration_ms"] / 1000)


def peer(server: Database, path: Path, program: str) -> Measurement:
    """Load with another tool, from the environment of install_peers()."""
    with fresh_database(server) as database, tempfile.TemporaryDirectory() as scratch:
        parameters = {
            key: value
            for key, value in database.parameters.items()
            if key in {"host", "port", "dbname", "user", "password"}
        }
        place = f"{quote(parameters['user'])}:{quote(parameters.get('password', 'none'))}"
        uri = f"postgresql://{place}@localhost/{parameters['dbname']}?host={quote(parameters['host'], safe='')}"
        uri += f"&port={parameters['port']}" if "port" in parameters else ""
        return measure([str(PEERS / "bin" / "python"), "-c", program, uri, str(path), scratch])[0]


def install_peers() -> None:
    """Create the environment of the other tools if it does not exist."""
    if not PEERS.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        command = [str(PEERS / "bin" / "pip"), "install", "--quiet", "--require-hashes"]
        subprocess.run([*command, "-r", str(ROOT / "requirements" / "bench.txt")], check=True)


def to_sql(server: Database, path: Path, program: str) -> Measurement:
    """Load with pandas, in chunks."""
    with fresh_database(server) as database:
        measured, _ = measure([sys.executable, "-c", program, database.dsn, str(path)])
        return measured


def no_change_run(server: Database) -> tuple[Measurement, Measurement]:
    """Measure a second run of the pipeline on sample_data/ and, for comparison, an import of pandas."""
    with fresh_database(server) as database:
        environment = {"DATABASE_URL": database.dsn, "PIPELINE_LOG_FORMAT": "json"}
        command = [sys.executable, "-m", "ingestion", "run", "--data-dir", "sample_data", "--use-manifest"]
        measure(command, environment)
        again, _ = measure(command, environment)
        imported, _ = measure([sys.executable, "-c", "import pandas"])
        return again, imported
