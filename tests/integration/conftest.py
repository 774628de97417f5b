"""What several modules look at: the rows of a test's database, and a whole run, which takes long to make."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from ingestion import db
from ingestion.config import Database
from tests.conftest import create_database, drop_database
from tests.observed import Told, whole_run

Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def rows(engine: Engine) -> Rows:
    """Ask the test's database."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        with db.session(engine) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    return rows


@pytest.fixture(scope="session")
def told(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A whole run, and what was told of it."""
    database = create_database(server, f"told_{os.getpid()}", f"template {template.parameters['dbname']}")
    with whole_run(database, tmp_path_factory.mktemp("told")) as told:
        yield told
    drop_database(server, database)
