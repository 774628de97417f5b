r"""Measures loading on the embedded server: psql's \copy, this pipeline's ingest and pandas' to_sql, in one go.

Usage: python -m scripts.bench [--rows 2000000] [--repetitions 3] [--pandas-rows 200000]
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count, cycle
from pathlib import Path
from random import Random

import psycopg2

from ingestion import embedded
from ingestion.config import ROOT, Database
from ingestion.sources import DAILY_ACTIVITY
from scripts.generate_sample_data import FIRST_DAY, SEED, activity_row, people, us_date, worn_day

BUILD = ROOT / "build" / "bench"
DAYS = 1_000
PLAIN_TABLE = "public.plain"
# method="multi" takes three times as long: 15 columns make long statements
TO_SQL = """
import sys
import pandas, psycopg2, sqlalchemy
engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(sys.argv[1]))
for frame in pandas.read_csv(sys.argv[2], parse_dates=[1], date_format="%m/%d/%Y", chunksize=100_000):
    frame.to_sql("pandas", engine, if_exists="append", index=False, chunksize=1_000)
"""


@dataclass(frozen=True)
class Measurement:
    """What one client did.

    Arguments:
        seconds: the work itself, where the client says so, else the whole process.
        process_seconds: from start to exit.
        peak_megabytes: resident memory of the client; the server's is not counted.

    """

    seconds: float
    process_seconds: float
    peak_megabytes: float


def generate(rows: int) -> Path:
    """Return a file of as many rows, made once: each user and day of its own, 1,000 different sets of values."""
    folder = BUILD / f"{rows}"
    path = folder / "daily_activity.csv"
    if path.exists():
        return path
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    values = [
        ",".join(activity_row(person, FIRST_DAY, worn_day(person, FIRST_DAY, 1, random))[2:])
        for person, random in people(SEED)
        for _ in range(30)
    ]
    Random(SEED).shuffle(values)  # noqa: S311  (no secret)
    dates = [us_date(FIRST_DAY - timedelta(days=DAYS - number)) for number in range(DAYS)]
    keys = (f"{user_id},{date}" for user_id in count(5_000_000_000) for date in dates)
    unfinished = folder / "unfinished"
    with unfinished.open("w", encoding="ascii") as file:
        file.write(",".join(column.header for column in DAILY_ACTIVITY.columns) + "\n")
        file.writelines(f"{key},{rest}\n" for _, key, rest in zip(range(rows), keys, cycle(values), strict=False))
    unfinished.rename(path)
    return path


def measure(command: list[str], environment: dict[str, str] | None = None) -> tuple[Measurement, str]:
    """Run a client to its end.

    Arguments:
        command: the program and its arguments.
        environment: variables to add.

    Returns:
        What it took, and what it printed.

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
    """Return the peak so far; getrusage would count what the parent had before exec."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    return 0


@contextlib.contextmanager
def fresh_database(server: Database) -> Iterator[Database]:
    """Make an empty database, and drop it at the end."""
    name = f"bench_{os.getpid()}"
    execute(server, f"create database {name}", "checkpoint")
    try:
        yield replace(server, parameters={**server.parameters, "dbname": name})
    finally:
        execute(server, f"drop database {name} with (force)")


def machine() -> str:
    """Return what this runs on."""
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


def copy(server: Database, path: Path) -> Measurement:
    r"""Load by psql's \copy into a table of the same columns and types, and of nothing else."""
    with fresh_database(server) as database:
        columns = ", ".join(f"{column.name} {column.type}" for column in DAILY_ACTIVITY.columns)
        execute(database, f"create table {PLAIN_TABLE} ({columns})")
        command = rf"\copy {PLAIN_TABLE} from '{path}' with (format csv, header true)"
        measured, _ = measure(
            [str(embedded.psql()), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-c", command, database.dsn]
        )
        return measured


def ingest(server: Database, path: Path) -> Measurement:
    """Load by the pipeline, into an empty, migrated database."""
    with fresh_database(server) as database:
        environment = {"DATABASE_URL": database.dsn, "PIPELINE_LOG_FORMAT": "json"}
        module = [sys.executable, "-m", "ingestion"]
        measure([*module, "migrate"], environment)
        options = ["--data-dir", str(path.parent), "--use-manifest"]
        measured, printed = measure([*module, "ingest", *options], environment)
        lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        step = next(line for line in lines if line.get("step") == "ingest" and line.get("status") == "success")
        return replace(measured, seconds=step["duration_ms"] / 1000)


def to_sql(server: Database, path: Path) -> Measurement:
    """Load by pandas, in chunks."""
    with fresh_database(server) as database:
        measured, _ = measure([sys.executable, "-c", TO_SQL, database.dsn, str(path)])
        return measured


def no_change_run(server: Database) -> tuple[Measurement, Measurement]:
    """Run the whole pipeline on sample_data/ again after a first time, and import pandas, for comparison."""
    with fresh_database(server) as database:
        environment = {"DATABASE_URL": database.dsn, "PIPELINE_LOG_FORMAT": "json"}
        command = [sys.executable, "-m", "ingestion", "run", "--data-dir", "sample_data", "--use-manifest"]
        measure(command, environment)
        again, _ = measure(command, environment)
        imported, _ = measure([sys.executable, "-c", "import pandas"])
        return again, imported


def median(measurements: list[Measurement]) -> Measurement:
    """Return the median times, and the greatest memory."""
    return Measurement(
        statistics.median(m.seconds for m in measurements),
        statistics.median(m.process_seconds for m in measurements),
        max(m.peak_megabytes for m in measurements),
    )


def report(name: str, measured: Measurement, copied: Measurement) -> None:
    """Print a line of the table."""
    ratio = copied.seconds / measured.seconds
    print(
        f"{name:<34}{measured.seconds:>9.2f}{measured.process_seconds:>11.2f}{ratio:>11.2f}"
        f"{measured.peak_megabytes:>10.0f}",
        flush=True,
    )


def main() -> None:
    """Read the command line, measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the file (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=3, help="the median counts (default: %(default)s)")
    parser.add_argument(
        "--pandas-rows",
        type=int,
        default=200_000,
        help="to_sql gets as many, once, and its time is scaled up; 0 leaves it out (default: %(default)s)",
    )
    arguments = parser.parse_args()

    path = generate(arguments.rows)
    data_directory = BUILD / "postgres"
    shutil.rmtree(data_directory, ignore_errors=True)
    with embedded.server(data_directory) as server:
        print(f"{arguments.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB; median of {arguments.repetitions}")
        print(f"{machine()}, {version(server)}")
        print(f"load average at the start: {os.getloadavg()[0]:.1f} (far from 0, another has the processors too)\n")
        print(f"{'':<34}{'seconds':>9}{'process':>11}{'speed':>11}{'MB peak':>10}")

        pairs = [(copy(server, path), ingest(server, path)) for _ in range(arguments.repetitions)]
        copied, ingested = (median(list(measured)) for measured in zip(*pairs, strict=True))
        report("psql \\copy, plain table", copied, copied)
        report("python -m ingestion ingest", ingested, copied)
        if pandas_rows := min(arguments.pandas_rows, arguments.rows):
            scale = arguments.rows / pandas_rows
            part = to_sql(server, generate(pandas_rows))
            whole = replace(part, seconds=part.seconds * scale, process_seconds=part.process_seconds * scale)
            report(f"pandas to_sql ({pandas_rows:,} x {scale:g})", whole, copied)
        again, imported = no_change_run(server)
        print(f"\nrun without a change: {again.seconds:.2f} s; python -c 'import pandas': {imported.seconds:.2f} s")


if __name__ == "__main__":
    main()
