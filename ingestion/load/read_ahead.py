"""Read a stream ahead in a thread, and COPY it.

While PostgreSQL works on one chunk, the thread reads, hashes and searches the next. With two processors PostgreSQL
never waits for it.
"""

import contextlib
import queue
import sys
import threading
from collections.abc import Callable
from typing import Self

from psycopg2.sql import Composable

from ingestion import db
from ingestion.load.stream import CHUNK_BYTES

_CHUNKS_AHEAD = 4
# a stream of a single chunk needs no thread
_READS_WITHOUT_THREAD = 2
_STOP_SECONDS = 5.0
# By default, a thread that works may keep the interpreter for 5 ms while another waits for it. In less time than that,
# PostgreSQL may have worked off what the connection holds.
_TURN_SECONDS = 0.0005


class _ShortTurns:
    """Makes the turns of threads short for the whole process, as long as anybody needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._usual_seconds = 0.0

    def begin(self) -> None:
        with self._lock:
            if self._users == 0:
                self._usual_seconds = sys.getswitchinterval()
                sys.setswitchinterval(min(_TURN_SECONDS, self._usual_seconds))
            self._users += 1

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.setswitchinterval(self._usual_seconds)


_short_turns = _ShortTurns()


class ReadAhead:
    """A stream that is read ahead. As a context manager, it stops the reading at its end.

    Arguments:
        stream: the stream; nothing else may read it meanwhile.
        chunk_bytes: the number of bytes to read at a time.

    """

    def __init__(self, stream: db.Readable, chunk_bytes: int) -> None:
        self._stream = stream
        self._chunk_bytes = chunk_bytes
        self._chunks: queue.Queue[bytes | BaseException] = queue.Queue(_CHUNKS_AHEAD)
        self._thread = threading.Thread(target=self._fill, name="read-ahead", daemon=True)
        self._stop = threading.Event()
        self._reads = 0
        self._is_done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        # makes room for a thread that waits in `put`; one that waits for an object store ends at its time limit
        with contextlib.suppress(queue.Empty):
            while True:
                self._chunks.get_nowait()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)
            _short_turns.end()

    def read(self, _size: int) -> bytes:
        """Return the next chunk, b"" at the end.

        Raises:
            BaseException: the error that the stream raised.

        """
        if self._is_done:
            return b""
        self._reads += 1
        if self._reads <= _READS_WITHOUT_THREAD:
            chunk: bytes | BaseException = self._stream.read(self._chunk_bytes)
        else:
            if self._thread.ident is None:
                self._thread.start()
                _short_turns.begin()
            chunk = self._chunks.get()
        self._is_done = not chunk or isinstance(chunk, BaseException)
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk

    def _fill(self) -> None:
        try:
            while not self._stop.is_set():
                chunk = self._stream.read(self._chunk_bytes)
                self._chunks.put(chunk)
                if not chunk:
                    return
        except BaseException as exc:  # noqa: BLE001  (`read` raises it)
            self._chunks.put(exc)


class FunctionStream:
    """A function as a stream that COPY can read.

    Arguments:
        read: returns about as many bytes as it is asked for, b"" at the end.

    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read


def copy_ahead(cursor: db.Cursor, command: Composable, stream: db.Readable) -> int:
    """Send a stream through COPY, and read it ahead.

    Arguments:
        cursor: a cursor in the file's transaction.
        command: the COPY statement.
        stream: the lines.

    Returns:
        The number of rows, as PostgreSQL counted them.

    """
    with ReadAhead(stream, CHUNK_BYTES) as ahead:
        return db.copy_in(cursor, command, ahead, CHUNK_BYTES)
