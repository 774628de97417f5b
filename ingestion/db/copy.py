"""COPY ... FROM STDIN."""

import os
import select
import socket
from contextlib import nullcontext, suppress
from typing import Protocol

import psycopg2
from psycopg2.sql import Composable

from ingestion.db.connections import Connection, Cursor
from ingestion.db.supervision import Supervised

# A socket that takes bytes has room for as many, so that libpq need not wait to send them. While it waits, it reads the
# server's answer into a buffer where nothing sees it before the end of the rows.
_PIECE_BYTES = 1 << 17
# a last piece is not worth a turn of its own if it is that short
_MOST_PIECE_BYTES = _PIECE_BYTES + (1 << 14)
# The server then has work for some milliseconds while this process is busy elsewhere. A system may allow less.
_SEND_BUFFER_BYTES = 1 << 20


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
    _enlarge_buffer(cursor.connection)
    copied = _StreamToCopy(stream, cursor.connection)
    try:
        cursor.copy_expert(command, copied, chunk_bytes)
    except psycopg2.Error:
        if copied.error:
            raise copied.error from None
        raise
    return cursor.rowcount


def _enlarge_buffer(connection: Connection) -> None:
    """Enlarge what a local socket holds for the server. For others, the system itself finds the best size."""
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as its:
        if its.family == socket.AF_UNIX:
            its.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)


class _EarlyAnswerError(Exception):
    """The server has answered before the end of the rows, which means that it rejected one."""


class _StreamToCopy:
    def __init__(self, stream: Readable, connection: Connection) -> None:
        self._stream = stream
        self._connection = connection
        self._socket = select.poll()
        self._socket.register(connection, select.POLLIN | select.POLLOUT)
        self._rest = b""
        self.error: BaseException | None = None

    def read(self, size: int = 8192, /) -> bytes:
        # waits until the server takes more. Without this, libpq sends the rest of the file to a server that discards it
        if any(event & ~select.POLLOUT for _, event in self._socket.poll()):
            raise _EarlyAnswerError
        chunk = self._rest or self._next(size)
        if len(chunk) <= _MOST_PIECE_BYTES:
            self._rest = b""
            return chunk
        self._rest = chunk[_PIECE_BYTES:]
        return chunk[:_PIECE_BYTES]

    def _next(self, size: int) -> bytes:
        try:
            # reading may take long, and is no wait for the server
            with self._connection.not_waiting() if isinstance(self._connection, Supervised) else nullcontext():
                return self._stream.read(size)
        except BaseException as exc:
            self.error = exc
            raise

    readline = read
