"""A stream read by a thread of its own, a little ahead of whoever takes from it.

While PostgreSQL works through one chunk the next one is read, hashed and looked through: on two processors it never
waits for us.
"""

import contextlib
import queue
import threading
from typing import Self

from ingestion.db import Readable

_CHUNKS_AHEAD = 4
# a stream of one chunk and its end is not worth a thread
_READS_WITHOUT_THREAD = 2
_STOP_SECONDS = 5.0


class ReadAhead:
    """A stream read ahead, as a context manager: at its end nobody reads the stream any more.

    Arguments:
        stream: read by nobody else meanwhile.
        chunk_bytes: how much of it to read at a time.

    """

    def __init__(self, stream: Readable, chunk_bytes: int) -> None:
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
        # one that waits for room finds it, and ends; one that waits for a store is left to its time limit
        with contextlib.suppress(queue.Empty):
            while True:
                self._chunks.get_nowait()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)

    def read(self, _size: int) -> bytes:
        """Return the next chunk, b"" at the end.

        Raises:
            BaseException: what the stream has raised.

        """
        if self._is_done:
            return b""
        self._reads += 1
        if self._reads <= _READS_WITHOUT_THREAD:
            chunk: bytes | BaseException = self._stream.read(self._chunk_bytes)
        else:
            if self._thread.ident is None:
                self._thread.start()
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
        except BaseException as exc:  # noqa: BLE001  (raised where the stream is taken from)
            self._chunks.put(exc)
