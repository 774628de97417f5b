"""Fixtures of several modules: the rows of a test's database, and a whole run, which is slow."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ingestion import db
from ingestion.config import Database
from tests.conftest import clone_database, drop_database
from tests.observed import ObservedRun, whole_run

Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def rows(engine: db.Engine) -> Rows:
    """Query the database of the test."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        with db.session(engine) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    return rows


@pytest.fixture(scope="session")
def observed_run(
    server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ObservedRun]:
    """A whole run with its telemetry and lineage."""
    database = clone_database(server, f"observed_{os.getpid()}", template)
    with whole_run(database, tmp_path_factory.mktemp("observed")) as observed_run:
        yield observed_run
    drop_database(server, database)
