"""A PostgreSQL server of the laboratory's own, which can be stopped at once and whose disk can be filled."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from tests.torture.disk import Disk

_PORT = 5432
_OPTIONS = {
    "listen_addresses": "",
    "max_connections": 60,
    "shared_buffers": "64MB",
    "max_wal_size": "64MB",
    "min_wal_size": "8MB",
    "autovacuum_naptime": "1h",
    # a trial waits for the end of sessions whose client is gone
    "log_checkpoints": "off",
}


class Server:
    """A server.

    Arguments:
        programs: the folder with `initdb` and `postgres`.
        disk: where its data directory is to be.
        log: the file of its log, outside the disk.
        group: the process group that it runs in.

    """

    def __init__(self, programs: Path, disk: Disk, log: Path, group: int) -> None:
        self.disk = disk
        self.log = log
        self._programs = programs
        self._group = group
        self._data = disk.root / "data"
        # PostgreSQL refuses to run as root
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self._user:
            os.chown(disk.root, self._user.pw_uid, self._user.pw_gid)
        initdb = ["initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        # small segments of the log, so that a full disk meets tables as well
        self._popen([*initdb, "--locale", "C.UTF-8", "--wal-segsize", "1"]).communicate()
        self.process = self._start()
        self.wait()

    @property
    def socket(self) -> Path:
        """The socket that it listens on."""
        return self.disk.root / f".s.PGSQL.{_PORT}"

    def stop_at_once(self) -> None:
        """Stop it without a checkpoint and without waiting for its sessions, as a power cut would."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def ensure_running(self) -> None:
        """Start it where it has stopped, and wait until it answers."""
        if self.process.poll() is not None:
            self.process = self._start()
        self.wait()

    def wait(self, seconds: float = 60.0) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.connect("postgres").close()
            except psycopg2.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    tail = self.log.read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"the server does not start:\n{tail}") from None
                time.sleep(0.05)
            else:
                return

    def connect(self, database: str) -> psycopg2.extensions.connection:
        """Connect to a database, past the proxy."""
        connection = psycopg2.connect(host=str(self.disk.root), port=_PORT, user="postgres", dbname=database)
        connection.autocommit = True
        return connection

    @contextmanager
    def cursor(self, database: str = "postgres") -> Iterator[psycopg2.extensions.cursor]:
        """Open a cursor on a database; each statement is a transaction of its own."""
        connection = self.connect(database)
        try:
            yield connection.cursor()
        finally:
            connection.close()

    def rows(self, query: str, *parameters: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.cursor(database) as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall()

    def create_database(self, name: str, template: str = "template1") -> None:
        """Create a database; nobody may be connected to its template."""
        with self.cursor() as cursor:
            cursor.execute(f'create database "{name}" template "{template}" strategy file_copy')

    def drop_database(self, name: str) -> None:
        with self.cursor() as cursor:
            cursor.execute(f'drop database if exists "{name}" with (force)')

    def _start(self) -> subprocess.Popen[bytes]:
        options = [f"-c{name}={value}" for name, value in _OPTIONS.items()]
        return self._popen(["postgres", "-D", str(self._data), "-k", str(self.disk.root), *options])

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        user = self._user
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [self._programs / command[0], *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
                process_group=self._group,
                cwd="/",
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            )
