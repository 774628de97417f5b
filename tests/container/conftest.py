"""An image, a network and a PostgreSQL server for the session; a database with the pipeline's roles for each test."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from tests import optional
from tests.container.engine import REPOSITORY, Database, Pipeline, Result, command, docker, engine_answers, eventually

PASSWORD = "pässword with 'quotes' $and \\ # %40"
ROLES = {
    "PIPELINE_OWNER_ROLE": "wearables_owner",
    "PIPELINE_LOADER_ROLE": "wearables_loader",
    "PIPELINE_TRANSFORMER_ROLE": "wearables_transformer",
}
POSTGRES_IMAGE = os.environ.get("POSTGRES_IMAGE", "postgres:17-trixie")

_names = count(1)
_mine = f"wearables-test-{os.getpid()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a Docker engine, fail in CI and skip the tests elsewhere."""
    marked = [item for item in items if item.get_closest_marker("container")]
    if not marked or engine_answers():
        return
    if os.environ.get("CI"):
        pytest.exit("no Docker engine with compose and buildx answers", returncode=1)
    for item in marked:
        item.add_marker(pytest.mark.skip(reason=optional.CONTAINERS.what))


@pytest.fixture(scope="session")
def image() -> str:
    """The image of this checkout, or the one that TEST_IMAGE names."""
    if given := os.environ.get("TEST_IMAGE"):
        return given
    tag = "wearables-pipeline:test"
    result = command(str(REPOSITORY / "scripts/build-image.sh"), tag, timeout=900)
    assert result.returncode == 0, result.output
    return tag


@pytest.fixture(scope="session")
def network() -> Iterator[str]:
    """A Docker network for the session."""
    docker("network", "create", _mine)
    yield _mine
    command("docker", "network", "rm", _mine)


@pytest.fixture(scope="session")
def server(network: str) -> Iterator[str]:
    """The name of a PostgreSQL container, which is also its host name on the network."""
    name = f"{_mine}-postgres"
    docker(
        *("run", "--detach", "--name", name, f"--network={network}"),
        *("--env=POSTGRES_PASSWORD=postgres", "--env=PGDATA=/var/lib/postgresql/data/pgdata"),
        *("--tmpfs=/var/lib/postgresql/data:size=2g", "--shm-size=256m"),
        f"--volume={REPOSITORY}/docker/postgres:/docker/postgres:ro",
        *(POSTGRES_IMAGE, "postgres", "-c", "fsync=off", "-c", "max_wal_size=512MB"),
    )
    ready = ("docker", "exec", name, "pg_isready", "--quiet", "--host=127.0.0.1")
    try:
        eventually(lambda: command(*ready).returncode == 0, "Postgres answers", 60)
        yield name
    finally:
        command("docker", "rm", "--force", "--volumes", name)


@dataclass(frozen=True)
class FirstRun:
    """A run on the sample data and an empty database; tests read the result or clone the database."""

    database: Database
    result: Result


@pytest.fixture(scope="session")
def first_run(image: str, network: str, server: str) -> Iterator[FirstRun]:
    """The run, as a user and group that the image does not know."""
    maintenance = Database(server, "postgres")
    maintenance.query("create database wearables_first")
    database = Database(server, "wearables_first")
    create_roles(database)
    result = Pipeline(image, network, settings(database)).run(options=["--user=54321:12345"])
    assert result.returncode == 0, result.output
    yield FirstRun(database, result)
    maintenance.query("drop database wearables_first with (force)")


@pytest.fixture
def filled(first_run: FirstRun) -> Iterator[Database]:
    """A clone of the database after the first run."""
    database = Database(first_run.database.server, f"wearables_{next(_names)}")
    maintenance = Database(database.server, "postgres")
    maintenance.query(f"create database {database.name} template {first_run.database.name}")
    create_roles(database)  # the template does not pass on privileges on the database itself
    yield database
    maintenance.query(f"drop database if exists {database.name} with (force)")


@pytest.fixture
def database(server: str) -> Iterator[Database]:
    """An empty database with the pipeline's roles and schemas."""
    database = Database(server, f"wearables_{next(_names)}")
    maintenance = Database(server, "postgres")
    maintenance.query(f"create database {database.name}")
    create_roles(database)
    yield database
    maintenance.query(f"drop database if exists {database.name} with (force)")


def create_roles(database: Database) -> None:
    """Run docker/postgres/roles.sql as an administrator."""
    docker(
        *("exec", f"--env=PIPELINE_PASSWORD={PASSWORD}", "--env=READER_PASSWORD=reader", database.server),
        *("psql", "-Xq", "--username=postgres", f"--dbname={database.name}", "--file=/docker/postgres/roles.sql"),
    )


@pytest.fixture
def pipeline(image: str, network: str, database: Database) -> Pipeline:
    """The image with the sample data and the role `pipeline`, on the test's database."""
    return Pipeline(image, network, settings(database))


@pytest.fixture
def again(image: str, network: str, filled: Database) -> Pipeline:
    """The same on a database that has had a run."""
    return Pipeline(image, network, settings(filled))


def settings(database: Database) -> dict[str, str]:
    """Return the settings of production."""
    return {
        "PGHOST": database.server,
        "PGDATABASE": database.name,
        "PGUSER": "pipeline",
        "PGPASSWORD": PASSWORD,
        "PIPELINE_USE_MANIFEST": "1",
        **ROLES,
    }
