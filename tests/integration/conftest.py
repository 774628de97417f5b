"""What several modules look at, and takes long to make."""

import os
from collections.abc import Iterator

import pytest

from ingestion.config import Database
from tests.conftest import create_database, drop_database
from tests.observed import Told, whole_run


@pytest.fixture(scope="session")
def told(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A whole run, and what was told of it."""
    database = create_database(server, f"told_{os.getpid()}", f"template {template.parameters['dbname']}")
    with whole_run(database, tmp_path_factory.mktemp("told")) as told:
        yield told
    drop_database(server, database)
