"""A PostgreSQL server for the session and a database for each test, cloned from a migrated template.

The server is the embedded one, or the one that TEST_DATABASE_URL names; its user needs the right to create databases.
"""

import os
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from ingestion import db, embedded, log, migrate
from ingestion.cli import main
from ingestion.config import Database, Settings, exported
from tests import optional
from tests.drops import Invoke, Landing

_names = count(1)


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
    with TemporaryDirectory() as folder, embedded.server(Path(folder, "data")) as database:
        for statement in ("alter system set fsync = off", "select pg_reload_conf()"):
            execute(database, statement)
        yield database


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
    database = create_database(
        server, f"test_{os.getpid()}_{next(_names)}", f"template {template.parameters['dbname']}"
    )
    yield database
    drop_database(server, database)


@pytest.fixture
def empty_database(server: Database) -> Iterator[Database]:
    """An empty database of the test's own."""
    database = create_database(server, f"test_{os.getpid()}_{next(_names)}")
    yield database
    drop_database(server, database)


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """Settings for a run with the manifest on a landing zone of the test's own."""
    landing_zone = tmp_path / "landing"
    landing_zone.mkdir()
    reports = str(tmp_path / "reports")
    return Settings(database=database, data_dir=str(landing_zone), use_manifest=True, report_dir=reports)


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


def drop_database(server: Database, database: Database) -> None:
    execute(server, f"drop database {database.parameters['dbname']} with (force)")


@pytest.fixture
def landing(settings: Settings, engine: db.Engine) -> Landing:
    """The test's landing zone and the engine of its database."""
    return Landing(Path(settings.landing_zone), engine)


@pytest.fixture
def invoke(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Invoke]:
    """Call the command line on the test's database and landing zone."""
    database = settings.database
    assert database is not None
    for name in ("DATABASE_URL", "DB_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in database.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIPELINE_DATA_DIR", settings.landing_zone)
    monkeypatch.setenv("PIPELINE_USE_MANIFEST", "1")
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path / "logs"))
    yield lambda *arguments: main(arguments)
    # The handlers write to a stream that pytest closes after the test.
    log.logger.handlers.clear()
    log.logger.propagate = True
