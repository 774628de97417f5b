"""The transactions of an ingest."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from ingestion import db


class Transactions:
    """The transactions of an ingest: each committed on its own, or, in a dry run, all rolled back at the end.

    Arguments:
        engine: a migrated database.
        role: the role to load as, None for the login role.
        dry_run: make each transaction a savepoint of a single one, and roll that one back.

    """

    def __init__(self, engine: db.Engine, role: str | None, *, dry_run: bool) -> None:
        self._sessions = db.Sessions(engine, role)
        self._only_connection: db.Connection | None = None
        self.is_dry_run = dry_run

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Keep connections open for the length of the block."""
        try:
            if self.is_dry_run:
                with self._sessions.transaction() as self._only_connection:
                    try:
                        yield self
                    finally:
                        self._only_connection.rollback()
            else:
                yield self
        finally:
            self._sessions.close()

    @contextmanager
    def begin(self) -> Iterator[db.Connection]:
        """Run the block in a transaction: committed at its end, rolled back by any exception."""
        if self._only_connection is None:
            with self._sessions.transaction() as connection:
                yield connection
        else:
            with db.savepoint(self._only_connection):
                yield self._only_connection

    @contextmanager
    def read(self) -> Iterator[db.Connection]:
        """Run the block without a transaction around its statements. It must not change anything."""
        if self._only_connection is None:
            with self._sessions.reading() as connection:
                yield connection
        else:
            yield self._only_connection
