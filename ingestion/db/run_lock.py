"""The locks of a run, and what is tied to them.

An idle connection holds two session locks. One is named `run`: runs compete for it. The other is named after the run:
the run is alive as long as this connection shares it. Nothing that the run does outlives it:

- Each of the run's other connections carries the run's id in its application name, and is opened only while the run is
  alive (see `opening`).
- Another run that finds the lock free takes it alone, so that no connection can be opened any more, and then ends those
  that are open (`fence`). Only then does it begin. No heartbeat and no timeout has to be right for this.
- The run itself notices the loss at once, and stops.
"""

import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from uuid import UUID

import psycopg2

from ingestion import log
from ingestion.db.connections import Connection, session
from ingestion.db.engine import Engine
from ingestion.db.errors import read_only
from ingestion.db.locks import held_locks, try_lock, wait_for
from ingestion.db.opening import application_name, lock_name, run_name
from ingestion.db.queries import queries
from ingestion.db.supervision import Supervised, disconnect_run, has_input
from ingestion.errors import BusyError, DatabaseUnavailableError, RunLostError

_ONE_RUN = "run"
_PING_EVERY_SECONDS = 10.0
_PING_PATIENCE_SECONDS = 20.0
_WHILE_WAITING_MILLISECONDS = 20
_END_CONNECTION_MILLISECONDS = 5000
_queries = queries("sessions")


class RunLock:
    """The locks of a run. Close it after use.

    Arguments:
        engine: the database; its connections must not be tied to the run.
        run_id: the run.
        name: what competes for the lock. What is no run has a name of its own, and does not wait for runs.
        role: the role of the session; the login role where this is None.
        on_loss: called once, in a thread, when the connection is lost.

    """

    def __init__(
        self,
        engine: Engine,
        run_id: UUID,
        *,
        name: str = _ONE_RUN,
        role: str | None = None,
        on_loss: Callable[[RunLostError], None] | None = None,
    ) -> None:
        self._engine = engine
        self._run_id = run_id
        self._name = name
        self._role = role
        self._on_loss = on_loss
        self._resources = ExitStack()
        self._is_lost = threading.Event()
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The connection that holds the locks. The record of the run is written on it.

        Raises:
            RunLostError: it was lost.

        """
        if self._connection is None or self._connection.closed or self._is_lost.is_set():
            raise RunLostError
        return self._connection

    def take(self, *, seconds: float, shared: bool, on_wait: Callable[[], None]) -> None:
        """Take the locks.

        Arguments:
            seconds: how long to wait for other runs to end.
            shared: whether other runs may be in progress as well, if they share it too.
            on_wait: called once, before the first wait.

        Raises:
            BusyError: another run was in progress for the whole time.
            ConfigurationError: the database is read-only.
            DatabaseUnavailableError: the server is a standby, or the connection was lost.

        """
        self._connection = connection = self._resources.enter_context(session(self._engine, role=self._role))
        _check_writable(connection)
        wait_for(partial(self._try_to_take, connection, shared=shared), self._name, seconds=seconds, on_wait=on_wait)
        stop, stopper = socket.socketpair()
        watch = threading.Thread(target=self._watch, args=(connection, stop), name="run lock", daemon=True)
        watch.start()
        # in the opposite order: the watch ends before its connection and its sockets are closed
        self._resources.callback(stop.close)
        self._resources.callback(watch.join)
        self._resources.callback(stopper.close)

    def _try_to_take(self, connection: Connection, *, shared: bool) -> bool:
        run_lock = run_name(str(self._run_id))
        taken = _queries.take_run_locks(
            connection,
            name=lock_name(self._name),
            run_lock=lock_name(run_lock),
            shared=shared,
            application_name=application_name(self._run_id),
        )
        if taken.is_held and not taken.is_alive:
            raise BusyError(f"another process holds the lock {run_lock!r}", hint="Run again.")
        return bool(taken.is_held)

    def close(self) -> None:
        """Release the locks."""
        self._resources.close()

    def fence(self, run_ids: Iterable[str]) -> list[str]:
        """End what is left of runs that have lost their locks. The locks of this run must be held.

        Arguments:
            run_ids: runs that have not ended, as far as their records or the names of their connections say.

        Returns:
            Those of them that have lost their locks. They have no connection now, and can open none.

        Raises:
            BusyError: a connection of such a run does not end.

        """
        own = str(self._run_id)
        dead = [
            run_id for run_id in dict.fromkeys(run_ids) if run_id != own and try_lock(self.connection, run_name(run_id))
        ]
        if not dead:
            return []
        with session(self._engine) as login:
            for run_id in dead:
                count, are_gone = _end_connections(login, UUID(run_id))
                if not are_gone:
                    raise BusyError(
                        f"run {run_id} has lost its locks, and a connection of it does not end",
                        hint="End its process, then run again.",
                    )
                if count:
                    log.event(f"run {run_id} has lost its locks; its {count} connections were ended", level=log.WARNING)
        return dead

    @contextmanager
    def record_session(self) -> Iterator[Connection]:
        """Open a session for the end of the record: that of the locks, or another if it is lost.

        Raises:
            DatabaseUnavailableError: there is no connection.

        """
        try:
            held = self.connection
        except RunLostError:
            with session(self._engine) as login:
                # the server may still execute what was sent over the lost one
                _end_connections(login, self._run_id)
            with session(self._engine, role=self._role) as connection:
                yield connection
        else:
            yield held

    def _watch(self, connection: Connection, stop: socket.socket) -> None:
        """Wait until the server closes the connection, and ask it now and then whether it is still there."""
        events = select.poll()
        events.register(connection, select.POLLIN)
        events.register(stop, select.POLLIN)
        try:
            while stop.fileno() not in dict(found := events.poll(_PING_EVERY_SECONDS * 1000)):
                if not found or not _is_an_answer(connection, stop):
                    _ping(connection)
        except psycopg2.Error as exc:
            self._is_lost.set()
            disconnect_run(str(self._run_id))
            if self._on_loss:
                self._on_loss(RunLostError())
            log.event(
                f"the connection that holds the run's locks is lost ({type(exc).__name__}); stopping the run",
                level=log.ERROR,
            )


def _is_an_answer(connection: Connection, stop: socket.socket) -> bool:
    """Wait until the thread that uses the connection has its answer. Return whether that was all that had come."""
    if not isinstance(connection, Supervised):
        return False
    stopping = select.poll()
    stopping.register(stop, select.POLLIN)
    while connection.is_waiting:
        if stopping.poll(_WHILE_WAITING_MILLISECONDS):
            return True
    return not has_input(connection)


def is_run_in_progress(connection: Connection) -> bool:
    """Return whether a run holds the lock for which runs compete.

    Arguments:
        connection: any connection.

    """
    return bool(held_locks(connection, [_ONE_RUN]))


def _end_connections(login: Connection, run_id: UUID) -> tuple[int, bool]:
    """End the connections of a run. Return how many there were, and whether all are gone.

    The login role may end its own connections, which the role of a session may not.
    """
    rows = list(_queries.end_connections(login, run_id=run_id.hex, milliseconds=_END_CONNECTION_MILLISECONDS))
    return len(rows), all(row.has_ended for row in rows)


def _ping(connection: Connection) -> None:
    patient = connection.with_patience(_PING_PATIENCE_SECONDS) if isinstance(connection, Supervised) else nullcontext()
    with patient, connection.cursor() as cursor:
        cursor.execute("select 1")


def _check_writable(connection: Connection) -> None:
    if connection.get_parameter_status("in_hot_standby") == "on":
        raise DatabaseUnavailableError(
            "the server is a standby, which cannot be written to",
            hint="Name the primary, or add target_session_attrs=read-write to DATABASE_URL.",
        )
    if connection.get_parameter_status("default_transaction_read_only") == "on":
        raise read_only()
