"""Two databases for the same studies: one on a Citus cluster, and one on a plain PostgreSQL server.

TEST_CITUS_URL names the database of a coordinator that knows its workers. It belongs to the tests: each begins by
dropping its schemas.
"""

import os
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from ingestion import db, distribution, migrate
from ingestion.config import Database, Settings
from tests import optional
from tests.citus.pair import Pair
from tests.integration.warehouse import Warehouse, opened

SCHEMAS = ("dbt_test_failures", "marts", "intermediate", "staging", "raw", "ops")


@pytest.fixture
def citus() -> Iterator[Database]:
    """A migrated and distributed database. The tests have it one after the other, also in several processes."""
    url = os.environ.get("TEST_CITUS_URL")
    if not url:
        pytest.skip(optional.CITUS.what)
    database = Database(parse_dsn(url), "TEST_CITUS_URL")
    with closing(psycopg2.connect(database.dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(hashtext('TEST_CITUS_URL'))")
            for schema in SCHEMAS:
                cursor.execute(f"drop schema if exists {schema} cascade")
        engine = db.create_engine(Settings(database=database))
        migrate.migrate(engine)
        distribution.change_nodes(engine, "raw", "distribute", most_rows=0)
        yield database


@pytest.fixture
def pair(
    citus: Database, server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """The same study on both."""
    with opened(server, template, tmp_path_factory.mktemp("plain")) as plain:
        spread = Warehouse(citus, tmp_path_factory.mktemp("citus"))
        yield Pair(plain, spread)
        spread.close()
