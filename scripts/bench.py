r"""Measures loading on the embedded server: psql's \copy, this pipeline's ingest and its peers, in one go.

Usage: python -m scripts.bench [--rows 2000000] [--repetitions 3] [--pandas-rows 200000] [--only NAME] [--no-peers]

It takes some ten minutes and 3 GB under build/, and wants the machine for itself.
"""

import argparse
import contextlib
import gzip
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count, cycle, islice
from pathlib import Path
from random import Random
from urllib.parse import quote

import psycopg2

from ingestion import embedded
from ingestion.config import ROOT, Database
from ingestion.sources import dataset_named
from scripts.generate_sample_data import FIRST_DAY, SEED, activity_row, people, us_date, worn_day

BUILD = ROOT / "build" / "bench"
DAILY_ACTIVITY = dataset_named("daily_activity")
PEERS = BUILD / "peers"
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
# what pandas' own guide shows for PostgreSQL: to_sql with a function that writes CSV and has it copied
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
# polars reads with all cores and writes COPY's binary form through ADBC
POLARS = """
import sys
import adbc_driver_postgresql.dbapi as adbc, polars
frame = polars.read_csv(sys.argv[2]).with_columns(polars.col("ActivityDate").str.to_datetime("%m/%d/%Y"))
with adbc.connect(sys.argv[1], autocommit=True) as connection:
    frame.write_database("polars", connection, engine="adbc", if_table_exists="append")
"""
# dlt's documentation: yield Arrow tables, and load CSV, which goes through COPY, or Parquet, which goes through ADBC
DLT = """
import sys
import dlt, pyarrow.csv

rows = dlt.resource(lambda: pyarrow.csv.open_csv(sys.argv[2]), name="activity")
pipeline = dlt.pipeline("bench", pipelines_dir=sys.argv[3], destination=dlt.destinations.postgres(sys.argv[1]))
pipeline.run(rows, loader_file_format="{}")
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


def copy(server: Database, *paths: Path) -> Measurement:
    r"""Load by psql's \copy into a table of the same columns and types, and of nothing else, in one session."""
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
    r"""Load by two psql at the same time, each with half of the files: what two workers could reach."""
    with fresh_database(server) as database:
        columns = ", ".join(f'"{column.header}" {column.type}' for column in DAILY_ACTIVITY.columns)
        execute(database, f"create table {PLAIN_TABLE} ({columns})")
        commands = []
        for number, half in enumerate((paths[::2], paths[1::2])):
            script = BUILD / f"copy-{number}.sql"
            script.write_text(script_of(half))
            psql = [str(embedded.psql()), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
            commands.append(shlex.join([*psql, database.dsn]))
        # the shell's own memory is not theirs
        return replace(
            measure(["sh", "-c", f"{commands[0]} & other=$!; {commands[1]} && wait $other"])[0], peak_megabytes=0
        )


def script_of(paths: Iterable[Path]) -> str:
    """Return what psql is to do."""
    return "".join(rf"\copy {PLAIN_TABLE} from {origin(path)} with (format csv, header true)" + "\n" for path in paths)


def origin(path: Path) -> str:
    r"""Return what \copy is to read from."""
    return f"program 'gzip -dc {path}'" if path.suffix == ".gz" else f"'{path}'"


def ingest(server: Database, folder: Path, *options: str) -> Measurement:
    """Load by the pipeline, into an empty, migrated database."""
    with fresh_database(server) as database:
        environment = {"DATABASE_URL": database.dsn, "PIPELINE_LOG_FORMAT": "json"}
        module = [sys.executable, "-m", "ingestion"]
        measure([*module, "migrate"], environment)
        return of_step(
            *measure([*module, "ingest", "--data-dir", str(folder), "--use-manifest", *options], environment)
        )


def scan(server: Database, folder: Path, repetitions: int) -> tuple[Measurement, Measurement]:
    """Load a folder once, and then, again and again, find nothing new in it: the load, and the median of the others."""
    with fresh_database(server) as database:
        environment = {"DATABASE_URL": database.dsn, "PIPELINE_LOG_FORMAT": "json"}
        command = [sys.executable, "-m", "ingestion", "ingest", "--data-dir", str(folder), "--use-manifest"]
        first = of_step(*measure(command, environment))
        return first, median([of_step(*measure(command, environment)) for _ in range(repetitions)])


def of_step(measured: Measurement, printed: str) -> Measurement:
    """Return a measurement of an ingest with the seconds of that step alone."""
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    step = next(line for line in lines if line.get("step") == "ingest" and line.get("status") == "success")
    return replace(measured, seconds=step["duration_ms"] / 1000)


def peer(server: Database, path: Path, program: str) -> Measurement:
    """Load by another tool, from the environment that --peers has made."""
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
    """Make an environment for the peers, once."""
    if not PEERS.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        command = [str(PEERS / "bin" / "pip"), "install", "--quiet", "--require-hashes"]
        subprocess.run([*command, "-r", str(ROOT / "requirements" / "bench.txt")], check=True)


def variant(path: Path, name: str, change: Callable[[int, str], str]) -> Path:
    """Return a copy of the file with each line, the header being number 0, changed; made once."""
    made = path.parent.with_name(f"{path.parent.name}-{name}") / path.name
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        unfinished = made.with_suffix(".unfinished")
        with path.open(encoding="ascii") as file, unfinished.open("w", encoding="ascii") as out:
            out.writelines(change(number, line) for number, line in enumerate(file))
        unfinished.rename(made)
    return made


def with_bad_row(number: int, line: str) -> str:
    """Return one line in a hundred as one that is too short, not a number, or out of range."""
    if number % 100 != 1 or number == 0:
        return line
    front, _, last = line.rstrip("\n").rpartition(",")
    return (f"{front}\n", f"{front},many\n", f"{front},-{last}\n")[number // 100 % 3]


def widened(number: int, line: str) -> str:
    """Return the line with 100 columns more."""
    cells = (f"Extra{place}" for place in range(100)) if number == 0 else (f"{number % 1000}.5" for _ in range(100))
    return line.rstrip("\n") + "," + ",".join(cells) + "\n"


def split(path: Path, files: int, rows: int) -> Path:
    """Return a folder of as many files of as many rows, made once."""
    folder = path.parent.with_name(f"{path.parent.name}-files-{files}")
    if not folder.exists():
        unfinished = folder.with_name("unfinished-files")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        with path.open(encoding="ascii") as file:
            header = file.readline()
            for number in range(files):
                lines = list(islice(file, rows))
                (unfinished / f"daily_activity_{number:05}.csv").write_text(header + "".join(lines), encoding="ascii")
        unfinished.rename(folder)
    return folder


def packed(path: Path) -> Path:
    """Return the file as .gz, made once."""
    made = path.parent.with_name(f"{path.parent.name}-gz") / f"{path.name}.gz"
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        unfinished = made.with_suffix(".unfinished")
        with path.open("rb") as file, gzip.open(unfinished, "wb", compresslevel=6) as out:
            shutil.copyfileobj(file, out, 1 << 20)
        unfinished.rename(made)
    return made


def to_sql(server: Database, path: Path, program: str) -> Measurement:
    """Load by pandas, in chunks."""
    with fresh_database(server) as database:
        measured, _ = measure([sys.executable, "-c", program, database.dsn, str(path)])
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


def report(name: str, measured: Measurement, copied: Measurement | None) -> None:
    """Print a line of the table."""
    ratio = f"{copied.seconds / measured.seconds:.2f}" if copied else ""
    memory = f"{measured.peak_megabytes:.0f}" if measured.peak_megabytes else ""
    print(f"{name:<36}{measured.seconds:>9.2f}{measured.process_seconds:>9.2f}{ratio:>8}{memory:>9}", flush=True)


Scenario = Callable[[Database, int], None]


def several(path: Path, rows: int, files: int) -> Scenario:
    """Measure the rows as several files, by one worker and by two, beside one psql and two."""
    folder = split(path, files, max(1, rows // files))
    paths = sorted(folder.iterdir())

    def run(server: Database, repetitions: int) -> None:
        rounds = [
            (
                copy(server, *paths),
                copy_side_by_side(server, *paths),
                ingest(server, folder),
                ingest(server, folder, "--workers", "2"),
            )
            for _ in range(repetitions)
        ]
        alone, beside, one, two = (median(list(measured)) for measured in zip(*rounds, strict=True))
        report(f"psql \\copy, {files:,} files", alone, alone)
        report("two psql side by side", beside, alone)
        report(f"ingest of {files:,} files", one, alone)
        report("the same, 2 workers", two, alone)
        ours, theirs = one.seconds / two.seconds, alone.seconds / beside.seconds
        print(f"{'':<6}two workers: {ours:.2f} times as fast as one; two psql: {theirs:.2f} times", flush=True)

    return run


def known() -> Scenario:
    """Measure the look at a landing zone in which all is known."""
    folder = split(generate(200_000), 10_000, 20)

    def run(server: Database, repetitions: int) -> None:
        first, again = scan(server, folder, repetitions)
        report("ingest of 10,000 small files, once", first, None)
        report("ingest of 10,000 known files", again, None)

    return run


def scenarios(path: Path, rows: int) -> dict[str, Callable[[], Scenario]]:
    """Return what is measured, by name, each against psql on the same input."""

    def against(
        title: str, copied: Callable[[Database], Measurement], ours: dict[str, Callable[[Database], Measurement]]
    ) -> Scenario:
        def run(server: Database, repetitions: int) -> None:
            rounds = [(copied(server), *(each(server) for each in ours.values())) for _ in range(repetitions)]
            first, *others = (median(list(measured)) for measured in zip(*rounds, strict=True))
            report(f"psql \\copy, {title}", first, first)
            for name, measured in zip(ours, others, strict=True):
                report(name, measured, first)

        return run

    def clean() -> Scenario:
        return against("plain table", lambda s: copy(s, path), {"ingest": lambda s: ingest(s, path.parent)})

    def bad() -> Scenario:
        made = variant(path, "bad", with_bad_row)
        return against(
            "as if clean", lambda s: copy(s, path), {"ingest, 1 % bad rows": lambda s: ingest(s, made.parent)}
        )

    def packed_file() -> Scenario:
        made = packed(path)
        return against("of gzip -dc", lambda s: copy(s, made), {"ingest of .gz": lambda s: ingest(s, made.parent)})

    def wide() -> Scenario:
        made = variant(generate(min(100_000, rows)), "wide", widened)
        return against(
            "115 columns", lambda s: copy(s, made), {"ingest, 100 columns extra": lambda s: ingest(s, made.parent)}
        )

    return {
        "clean": clean,
        "bad": bad,
        "gz": packed_file,
        "wide": wide,
        "large": lambda: several(path, rows, 8),
        "many": lambda: several(path, rows, 2_000),
        "known": known,
    }


def measure_peers(server: Database, path: Path, rows: int, pandas_rows: int) -> None:
    """Measure the others, once each: they are far from each other."""
    copied = copy(server, path)
    report("psql \\copy, plain table", copied, copied)
    report("polars + ADBC", peer(server, path, POLARS), copied)
    report("dlt, Arrow to CSV", peer(server, path, DLT.format("csv")), copied)
    report("dlt, Arrow to Parquet", peer(server, path, DLT.format("parquet")), copied)
    report("pandas to_sql through COPY", to_sql(server, path, TO_SQL_COPY), copied)
    if pandas_rows := min(pandas_rows, rows):
        scale = rows / pandas_rows
        part = to_sql(server, generate(pandas_rows), TO_SQL)
        whole = replace(part, seconds=part.seconds * scale, process_seconds=part.process_seconds * scale)
        report(f"pandas to_sql ({pandas_rows:,} x {scale:g})", whole, copied)


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
    names = "clean, bad, gz, wide, large, many, known, peers"
    parser.add_argument("--only", metavar="NAME", help=f"one of {names}")
    parser.add_argument(
        "--no-peers", action="store_true", help="leave out dlt, polars and pandas, and their installation"
    )
    arguments = parser.parse_args()

    with_peers = arguments.only in {None, "peers"} and not arguments.no_peers
    if with_peers:
        install_peers()
    path = generate(arguments.rows)
    data_directory = BUILD / "postgres"
    shutil.rmtree(data_directory, ignore_errors=True)
    with embedded.server(data_directory) as server:
        print(f"{arguments.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB; median of {arguments.repetitions}")
        print(f"{machine()}, {version(server)}")
        print(f"load average at the start: {os.getloadavg()[0]:.1f} (far from 0, another has the processors too)\n")
        print(f"{'':<36}{'seconds':>9}{'process':>9}{'speed':>8}{'MB peak':>9}")
        for name, scenario in scenarios(path, arguments.rows).items():
            if arguments.only in {None, name}:
                scenario()(server, arguments.repetitions)
        if with_peers:
            measure_peers(server, path, arguments.rows, arguments.pandas_rows)
        if arguments.only is None:
            again, imported = no_change_run(server)
            print(f"\nrun without a change: {again.seconds:.2f} s; python -c 'import pandas': {imported.seconds:.2f} s")
        print(f"\nload average at the end: {os.getloadavg()[0]:.1f}")
        print("seconds: of the step, for ingest; of the process, for the others")
        print(r"speed: 1 is \copy into a table of the same columns, without provenance or CHECK")


if __name__ == "__main__":
    main()
