"""The connections of this process, and a bound on how long each may wait for the server.

A wait inside the driver can be neither interrupted nor limited from the thread that waits: a network that drops packets
in silence would hold it for ever. Shutting the socket down from another thread ends the wait at once.
"""

import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg2
import psycopg2.extensions
from psycopg2.extras import NamedTupleCursor

from ingestion import log
from ingestion.db.errors import tells_of_a_loss

_LOOK_EVERY_SECONDS = 0.5
IdleConnection = TypeVar("IdleConnection", bound=psycopg2.extensions.connection)


class Supervised(psycopg2.extensions.connection):
    """A connection that knows since when its thread has been waiting for the server."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._lock = threading.RLock()
        self._waiting_since: float | None = None
        # how long one wait may take; None for no limit
        self.patience: float | None = None
        # the run that it works for
        self.run_id: str | None = None
        self.on_loss: Callable[[psycopg2.Error], None] | None = None
        # opens another connection of the same login
        self.open_another: Callable[[], psycopg2.extensions.connection] | None = None
        super().__init__(*arguments, **options)

    @property
    def is_waiting(self) -> bool:
        """Whether its thread is waiting for the server."""
        return self._waiting_since is not None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark the block as a wait for the server."""
        self._mark(time.monotonic())
        try:
            yield
        except psycopg2.Error as exc:
            if self.on_loss and (self.closed or tells_of_a_loss(exc)):
                self.on_loss(exc)
            raise
        finally:
            self._mark(None)

    @contextmanager
    def not_waiting(self) -> Iterator[None]:
        """Mark the block, inside a wait, as work of this process. The wait begins anew after it."""
        self._mark(None)
        try:
            yield
        finally:
            self._mark(time.monotonic())

    @contextmanager
    def with_patience(self, seconds: float) -> Iterator[None]:
        """Wait no longer than these seconds in the block."""
        before, self.patience = self.patience, seconds
        try:
            yield
        finally:
            self.patience = before

    def commit(self) -> None:
        with self.waiting():
            super().commit()

    def rollback(self) -> None:
        with self.waiting():
            super().rollback()

    def cut_if_waiting_longer(self, seconds: float | None) -> bool:
        """End the connection if its thread has been waiting for more than these seconds. Return whether it was."""
        with self._lock:
            since = self._waiting_since
            if seconds is None or since is None or time.monotonic() - since < seconds or self.closed:
                return False
            # under the lock: the wait cannot end here, so that the descriptor is still this connection's
            with suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(self.fileno())) as its:
                its.shutdown(socket.SHUT_RDWR)
            return True

    def cut(self) -> None:
        """End the connection, which is waiting or idle. Its thread notices at its next statement at the latest."""
        with self._lock, suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(self.fileno())) as its:
            its.shutdown(socket.SHUT_RDWR)

    def _mark(self, since: float | None) -> None:
        with self._lock:
            self._waiting_since = since


def take_usable(idle: list[IdleConnection]) -> IdleConnection | None:
    """Take a connection that the server has not closed, or None, and close those that it has.

    Arguments:
        idle: connections of which nothing is asked. Several threads may share the list.

    """
    while idle:
        connection = idle.pop()
        # nothing was asked, so any input means that the server has closed the connection
        if not connection.closed and not has_input(connection):
            return connection
        connection.close()
    return None


def has_input(connection: psycopg2.extensions.connection) -> bool:
    """Whether the server has sent something that was not read."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


class _Waits:
    """A cursor whose statements are marked as waits."""

    connection: Any

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002  (the driver's name)
        with self.connection.waiting():
            super().execute(query, vars)  # type: ignore[misc]

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        with self.connection.waiting():
            super().copy_expert(sql, file, size)  # type: ignore[misc]


class PlainCursor(_Waits, psycopg2.extensions.cursor):
    """A cursor of plain rows."""


class NamedCursor(_Waits, NamedTupleCursor):
    """A cursor of named rows."""


class _Supervisor:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[Supervised] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def add(self, connection: Supervised) -> None:
        with self._lock:
            self._connections.add(connection)
            # a fork copies the object and not the thread
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="database waits", daemon=True)
                self._thread.start()

    def all(self) -> list[Supervised]:
        with self._lock:
            return [connection for connection in self._connections if not connection.closed]

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_SECONDS)
            for connection in self.all():
                if connection.cut_if_waiting_longer(connection.patience):
                    log.event("the server has not answered in time; its connection is given up", level=log.WARNING)


_supervisor = _Supervisor()


def supervise(connection: Supervised) -> None:
    """Keep an eye on a connection until it is closed.

    Arguments:
        connection: with its patience set.

    """
    _supervisor.add(connection)


def cancel_all() -> None:
    """Cancel the statements that the connections of this process are executing. Any thread may call this.

    Returns at once: a request to cancel may wait as long as any other.
    """
    waiting = [connection for connection in _supervisor.all() if connection.is_waiting]
    if waiting:
        threading.Thread(target=_cancel, args=(waiting,), name="cancel", daemon=True).start()


def disconnect_waiting(seconds: float) -> None:
    """End the connections whose threads have been waiting for the server for more than these seconds.

    Any thread may call this.

    Arguments:
        seconds: how long a wait may have taken.

    """
    for connection in _supervisor.all():
        connection.cut_if_waiting_longer(seconds)


def disconnect_run(run_id: str) -> None:
    """End the connections that work for a run. Any thread may call this.

    Arguments:
        run_id: the run.

    """
    for connection in _supervisor.all():
        if connection.run_id == run_id:
            connection.cut()


def _cancel(waiting: list[Supervised]) -> None:
    # the driver's own `cancel` holds the lock of the interpreter until the server has answered, and with it all threads
    try:
        if waiting[0].open_another is None:
            return
        other = waiting[0].open_another()
        try:
            other.autocommit = True
            with other.cursor() as cursor:
                pids = [connection.get_backend_pid() for connection in waiting if not connection.closed]
                cursor.execute("select pg_cancel_backend(pid) from unnest(%s::int[]) as pid", (pids,))
        finally:
            other.close()
    except psycopg2.Error as exc:
        log.event(f"could not cancel a statement ({type(exc).__name__})", level=log.WARNING)
