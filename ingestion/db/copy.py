"""COPY ... FROM STDIN."""

from contextlib import nullcontext
from typing import Protocol

import psycopg2
from psycopg2.sql import Composable

from ingestion.db.connections import Connection, Cursor, has_input
from ingestion.db.supervision import Supervised


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, b"" at the end."""
        ...


def copy_in(cursor: Cursor, command: Composable, stream: Readable, chunk_bytes: int) -> int:
    """Send a stream to COPY ... FROM STDIN.

    Arguments:
        cursor: a cursor of the connection that copies.
        command: the COPY statement.
        stream: the bytes to send.
        chunk_bytes: how many bytes to read at a time.

    Returns:
        The number of rows that COPY reports.

    Raises:
        psycopg2.Error: PostgreSQL rejected a row.
        BaseException: the stream's own error, which psycopg2 would otherwise replace.

    """
    copied = _StreamToCopy(stream, cursor.connection)
    try:
        cursor.copy_expert(command, copied, chunk_bytes)
    except psycopg2.Error:
        if copied.error:
            raise copied.error from None
        raise
    return cursor.rowcount


class _EarlyAnswerError(Exception):
    """The server has answered before the end of the rows, which means that it rejected one."""


class _StreamToCopy:
    def __init__(self, stream: Readable, connection: Connection) -> None:
        self._stream = stream
        self._connection = connection
        self.error: BaseException | None = None

    def read(self, size: int = 8192, /) -> bytes:
        # without this, libpq sends the rest of the file to a server that discards it
        if has_input(self._connection):
            raise _EarlyAnswerError
        try:
            # reading may take long, and is no wait for the server
            with self._connection.not_waiting() if isinstance(self._connection, Supervised) else nullcontext():
                return self._stream.read(size)
        except BaseException as exc:
            self.error = exc
            raise

    readline = read
