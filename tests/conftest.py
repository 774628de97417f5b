"""A PostgreSQL server for the session and a database for each test, cloned from a migrated template.

The server is the embedded one, or the one that TEST_DATABASE_URL names; its user needs the right to create databases.
"""

import os
import shutil
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from ingestion import db, embedded, log, migrate
from ingestion.cli import main
from ingestion.config import Database, Settings, exported
from tests import optional
from tests.drops import Invoke, Landing

_names = count(1)
_MEMORY = Path("/dev/shm")  # noqa: S108
_ENOUGH_BYTES = 3 << 30
_PARSED = "partial_parse.msgpack"


def pytest_make_parametrize_id(val: object) -> str | None:
    """Give bytes a constant name: archives contain a timestamp, and the processes of a test run must agree on names."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """End with what was not tested on this machine, after pytest's own summary."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        skipped = [report.longrepr[2].removeprefix("Skipped: ") for report in reporter.stats.get("skipped", ())]
        if text := optional.sentence(skipped):
            reporter.write_line(text)


@pytest.fixture(scope="session", autouse=True)
def _reports_outside_the_clone() -> Iterator[None]:
    """Keep the processes that tests start from writing reports into the clone."""
    with TemporaryDirectory() as folder, exported({"PIPELINE_REPORT_DIR": folder}):
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[Database]:
    """The server's maintenance database."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield Database(parse_dsn(url), "TEST_DATABASE_URL")
        return
    # Not in tmp_path: as root the server runs as another user, and the next pytest session closes that folder to it.
    with (
        TemporaryDirectory(prefix="wearables-tests-", dir=folder_of_servers()) as folder,
        embedded.server(Path(folder, "data")) as database,
    ):
        # no test takes away the power; the write-ahead log stays small where it is in memory
        for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '256MB'"):
            execute(database, f"alter system set {setting}")
        execute(database, "select pg_reload_conf()")
        yield database


def folder_of_servers() -> Path | None:
    """Return a folder in memory, None if it has no room: a database is some 500 files, which disks create slowly."""
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return None
    free = min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available)
    return _MEMORY if free > _ENOUGH_BYTES else None


@pytest.fixture(scope="session")
def template(server: Database) -> Iterator[Database]:
    """A migrated database without connections, for cloning."""
    database = create_database(server, f"template_{os.getpid()}")
    migrate.migrate(db.create_engine(Settings(database=database)))
    yield database
    drop_database(server, database)


@pytest.fixture
def database(server: Database, template: Database) -> Iterator[Database]:
    """A migrated database of the test's own."""
    # one name for all, so that dbt need not parse all models again
    database = clone_database(server, f"test_{os.getpid()}", template)
    yield database
    drop_database(server, database)


@pytest.fixture
def empty_database(server: Database) -> Iterator[Database]:
    """An empty database of the test's own."""
    database = create_database(server, f"test_{os.getpid()}_{next(_names)}")
    yield database
    drop_database(server, database)


@pytest.fixture(scope="session")
def parsed_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what dbt has parsed in the last test that ran it."""
    return tmp_path_factory.mktemp("parsed")


@pytest.fixture
def dbt_target(parsed_models: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder for dbt's artifacts, with what dbt has parsed in an earlier test, as the folder of a pipeline has it."""
    target = tmp_path / "target"
    target.mkdir()
    kept, parsed = parsed_models / _PARSED, target / _PARSED
    if kept.exists():
        shutil.copy2(kept, parsed)
    yield target
    if parsed.exists() and (not kept.exists() or kept.stat().st_mtime_ns != parsed.stat().st_mtime_ns):
        shutil.copy2(parsed, kept)


@pytest.fixture
def settings(database: Database, dbt_target: Path, tmp_path: Path) -> Settings:
    """Settings for a run with the manifest on a landing zone of the test's own."""
    landing_zone = tmp_path / "landing"
    landing_zone.mkdir()
    reports = str(tmp_path / "reports")
    return Settings(
        database=database,
        data_dir=str(landing_zone),
        use_manifest=True,
        report_dir=reports,
        dbt_target_dir=dbt_target,
        dbt_log_dir=tmp_path / "logs",
    )


@pytest.fixture
def engine(settings: Settings) -> db.Engine:
    """An engine for the test's database."""
    return db.create_engine(settings)


def execute(database: Database, statement: str) -> None:
    """Run one statement outside a transaction."""
    connection = psycopg2.connect(database.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def create_database(server: Database, name: str, options: str = "") -> Database:
    execute(server, f"create database {name} {options}")
    return replace(server, parameters={**server.parameters, "dbname": name})


def clone_database(server: Database, name: str, template: Database) -> Database:
    """Copy a database that nobody is connected to."""
    options = f"template {template.parameters['dbname']}"
    if str(server.parameters.get("host", "")).startswith(f"{_MEMORY}/"):
        # on a disk, the checkpoints that it needs cost more than it saves
        options += " strategy file_copy"
    return create_database(server, name, options)


def drop_database(server: Database, database: Database) -> None:
    execute(server, f"drop database {database.parameters['dbname']} with (force)")


@pytest.fixture
def landing(settings: Settings, engine: db.Engine) -> Landing:
    """The test's landing zone and the engine of its database."""
    return Landing(Path(settings.landing_zone), engine)


@pytest.fixture
def invoke(settings: Settings, dbt_target: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Invoke]:
    """Call the command line on the test's database and landing zone."""
    database = settings.database
    assert database is not None
    for name in ("DATABASE_URL", "DB_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in database.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIPELINE_DATA_DIR", settings.landing_zone)
    monkeypatch.setenv("PIPELINE_USE_MANIFEST", "1")
    monkeypatch.setenv("DBT_TARGET_PATH", str(dbt_target))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path / "logs"))
    yield lambda *arguments: main(arguments)
    # The handlers write to a stream that pytest closes after the test.
    log.logger.handlers.clear()
    log.logger.propagate = True
