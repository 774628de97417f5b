"""Named locks, held by sessions."""

import random
import time
from collections.abc import Callable, Iterable
from functools import partial

from ingestion.db.connections import Connection
from ingestion.db.opening import lock_name
from ingestion.db.queries import queries
from ingestion.errors import BusyError

_queries = queries("locks")


def lock(
    connection: Connection,
    name: str,
    *,
    seconds: float,
    shared: bool = False,
    on_wait: Callable[[], None] | None = None,
) -> None:
    """Take a named session lock. The server releases it when the connection ends, for whatever reason.

    This polls. A blocking lock would deadlock with CREATE INDEX CONCURRENTLY, which waits for all transactions.

    Arguments:
        connection: an autocommit session, which holds the lock.
        name: the lock.
        seconds: how long to try.
        shared: whether others may hold it as well, if they share it too.
        on_wait: called once, before the first wait.

    Raises:
        BusyError: another session held it for the whole time.

    """
    wait_for(partial(try_lock, connection, name, shared=shared), name, seconds=seconds, on_wait=on_wait)


def wait_for(take: Callable[[], bool], name: str, *, seconds: float, on_wait: Callable[[], None] | None = None) -> None:
    """Try to take a lock until it is free.

    Arguments:
        take: tries once, and returns whether this session holds the lock now.
        name: the lock, for the error.
        seconds: how long to try.
        on_wait: called once, before the first wait.

    Raises:
        BusyError: another session held it for the whole time.

    """
    deadline = time.monotonic() + seconds
    while not take():
        if time.monotonic() >= deadline:
            raise BusyError(
                f"another process holds the lock {name!r} (waited {seconds:g} s)",
                hint="Wait for the other run to end, then run again.",
            )
        if on_wait:
            on_wait()
            on_wait = None
        time.sleep(random.uniform(0.05, 0.2))  # noqa: S311


def try_lock(connection: Connection, name: str, *, shared: bool = False) -> bool:
    """Take a named session lock if it is free.

    Arguments:
        connection: an autocommit session, which holds the lock.
        name: the lock.
        shared: whether others may hold it as well, if they share it too.

    Returns:
        Whether this session holds it now.

    """
    return bool(_queries.try_lock(connection, name=lock_name(name), shared=shared).is_held)


def held_locks(connection: Connection, names: Iterable[str]) -> set[str]:
    """Return the names of the locks that a session holds. Any role may call this.

    Arguments:
        connection: any connection.
        names: the names to look for.

    """
    found = _queries.held_locks(connection, names=list(names), prefix=lock_name(""))
    return {row.name for row in found}
