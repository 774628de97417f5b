"""Other tools that load CSV files into PostgreSQL, each as its own documentation recommends."""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from ingestion.config import ROOT, Database
from scripts.bench.clients import Measurement, check_copied, measure
from scripts.bench.inputs import BUILD
from scripts.bench.servers import Server

_FOLDER = BUILD / "peers"
# Without method="multi", which takes three times as long: 15 columns make long statements.
_TO_SQL = """
import sys
import pandas, psycopg2, sqlalchemy
engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(sys.argv[1]))
for frame in pandas.read_csv(sys.argv[2], parse_dates=[1], date_format="%m/%d/%Y", chunksize=100_000):
    frame.to_sql("activity", engine, if_exists="append", index=False, chunksize=1_000)
"""
# The way that pandas' own guide shows for PostgreSQL: to_sql with a function that writes CSV and copies it.
_TO_SQL_COPY = """
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
    frame.to_sql("activity", engine, if_exists="append", index=False, method=copy)
"""
# polars reads with all cores and writes COPY's binary format through ADBC; a folder is read file by file. The types of
# distances are given: a file in which all of them are whole numbers would have another type than the others.
_POLARS = """
import pathlib, sys
import adbc_driver_postgresql.dbapi as adbc, polars
path = pathlib.Path(sys.argv[2])
files = sorted(path.iterdir()) if path.is_dir() else [path]
names = files[0].open().readline().strip().split(",")
types = {name: polars.Float64 for name in names if name.endswith("Distance")}
with adbc.connect(sys.argv[1], autocommit=True) as connection:
    for each in files:
        frame = polars.read_csv(each, schema_overrides=types)
        frame = frame.with_columns(polars.col("ActivityDate").str.to_datetime("%m/%d/%Y"))
        frame.write_database("activity", connection, engine="adbc", if_table_exists="append")
"""
# dlt's documentation recommends Arrow tables, and CSV (through COPY) or Parquet (through ADBC) to load them.
_DLT = """
import sys
import dlt, pyarrow.csv

rows = dlt.resource(lambda: pyarrow.csv.open_csv(sys.argv[2]), name="activity")
pipeline = dlt.pipeline(
    "bench", pipelines_dir=sys.argv[3], destination=dlt.destinations.postgres(sys.argv[1]), dataset_name="public"
)
pipeline.run(rows, loader_file_format="{format}")
"""
# Its filesystem source lists the files; a transformer reads each of them as an Arrow table, with the types given.
_DLT_FILES = """
import pathlib, sys
import dlt, pyarrow.csv
from dlt.sources.filesystem import filesystem

names = next(pathlib.Path(sys.argv[2]).iterdir()).open().readline().strip().split(",")
types = {{name: pyarrow.float64() for name in names if name.endswith("Distance")}}
options = pyarrow.csv.ConvertOptions(column_types=types)

@dlt.transformer(name="activity")
def tables(items):
    for item in items:
        with item.open() as file:
            yield pyarrow.csv.read_csv(file, convert_options=options)

pipeline = dlt.pipeline(
    "bench", pipelines_dir=sys.argv[3], destination=dlt.destinations.postgres(sys.argv[1]), dataset_name="public"
)
pipeline.run(filesystem(bucket_url=sys.argv[2], file_glob="*.csv") | tables, loader_file_format="{format}")
"""


def install() -> None:
    """Create the environment of the other tools if it does not exist."""
    if _FOLDER.exists():
        return
    unfinished = _FOLDER.with_name("unfinished-peers")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(unfinished)], check=True)
    # as a module: the folder is renamed at the end
    command = [str(unfinished / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
    subprocess.run([*command, "-r", str(ROOT / "requirements" / "bench.txt")], check=True)
    unfinished.rename(_FOLDER)


def polars(server: Server, database: Database, path: Path, rows: int) -> Measurement:
    """Load a file, or the files of a folder one by one, with polars and ADBC."""
    return _peer(server, database, path, _POLARS, rows)


def dlt(server: Server, database: Database, path: Path, rows: int, form: str) -> Measurement:
    """Load a file, or a folder with the filesystem source, with dlt.

    Arguments:
        server: whose processor time to measure as well.
        database: where to.
        path: the file or folder.
        rows: how many rows it has.
        form: the format of the files that dlt writes for the database: csv or parquet.

    """
    return _peer(server, database, path, (_DLT_FILES if path.is_dir() else _DLT).format(format=form), rows)


def pandas_copy(server: Server, database: Database, path: Path, rows: int) -> Measurement:
    """Load a file with pandas, through CSV and COPY."""
    return _pandas(server, database, path, _TO_SQL_COPY, rows)


def pandas_to_sql(server: Server, database: Database, path: Path, rows: int, scale: float) -> Measurement:
    """Load a part of a file with pandas' to_sql, and return what the whole would have taken.

    Arguments:
        server: whose processor time to measure as well.
        database: where to.
        path: the part.
        rows: how many rows it has.
        scale: how many times the part is the whole.

    """
    measured = _pandas(server, database, path, _TO_SQL, rows)
    scaled = {
        name: value * scale
        for name in ("seconds", "process_seconds", "client_cpu", "server_cpu")
        if (value := getattr(measured, name)) is not None
    }
    return replace(measured, **scaled)


def _peer(server: Server, database: Database, path: Path, program: str, rows: int) -> Measurement:
    with tempfile.TemporaryDirectory() as scratch:
        # where dlt would otherwise look for the settings of a project
        command: list[str | Path] = [_FOLDER / "bin" / "python", "-c", program, _uri(database), str(path), scratch]
        measured, _ = measure(command, {"DLT_DATA_DIR": scratch}, server, Path(scratch))
    check_copied(database, rows, "activity")
    return measured


def _pandas(server: Server, database: Database, path: Path, program: str, rows: int) -> Measurement:
    measured, _ = measure([sys.executable, "-c", program, database.dsn, str(path)], server=server)
    check_copied(database, rows, "activity")
    return measured


def _uri(database: Database) -> str:
    parameters = database.parameters
    place = f"{quote(parameters['user'])}:{quote(parameters.get('password', 'none'))}"
    uri = f"postgresql://{place}@localhost/{parameters['dbname']}?host={quote(parameters['host'], safe='')}"
    return uri + (f"&port={parameters['port']}" if "port" in parameters else "")
