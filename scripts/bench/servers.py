"""The server that all clients of the benchmark use, its databases, and its processor time."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from ingestion.config import Database

_PATIENCE_SECONDS = 0.5


class Server:
    """A running server.

    Arguments:
        database: its maintenance database.
        data_directory: has postmaster.pid, with the number of the server's first process.

    """

    def __init__(self, database: Database, data_directory: Path) -> None:
        self._database = database
        self._process = psutil.Process(int((data_directory / "postmaster.pid").read_text("ascii").split()[0]))
        self._numbers = count(1)
        with contextlib.closing(psycopg2.connect(database.dsn)) as connection:
            self.version = f"PostgreSQL {connection.info.parameter_status('server_version')}"

    def create_database(self, template: Database | None = None) -> Database:
        """Create a database that stays.

        Arguments:
            template: a database without connections to copy; None creates an empty one.

        """
        name = f"bench_{os.getpid()}_{next(self._numbers)}"
        options = f" template {template.parameters['dbname']}" if template else ""
        execute(self._database, f"create database {name}{options}", "checkpoint")
        return replace(self._database, parameters={**self._database.parameters, "dbname": name})

    @contextlib.contextmanager
    def database(self, template: Database | None = None) -> Iterator[Database]:
        """Create a database, and drop it at the end; see `create_database`."""
        database = self.create_database(template)
        try:
            yield database
        finally:
            execute(self._database, f"drop database {database.parameters['dbname']} with (force)")

    def processes(self) -> set[int]:
        """Return the numbers of the server's processes."""
        return {process.pid for process in self._process.children()}

    def wait_for_the_end_of_others(self, processes: set[int]) -> None:
        """Wait until the server has no other processes than these; not long, as autovacuum has its own ones.

        The server counts the processor time of a process when it ends, a moment after its client.
        """
        end = time.monotonic() + _PATIENCE_SECONDS
        while self.processes() - processes and time.monotonic() < end:
            time.sleep(0.01)

    def cpu_seconds(self) -> float:
        """Return the processor time of the processes that have ended."""
        times = self._process.cpu_times()
        return float(times.children_user + times.children_system)


def execute(database: Database, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    connection = psycopg2.connect(database.dsn)
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def row_of(database: Database, query: str) -> tuple[Any, ...]:
    """Return the one row of a query."""
    with contextlib.closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        ((*values,),) = cursor.fetchall()
    return tuple(values)
