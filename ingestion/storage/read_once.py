"""A landing zone whose small files are read once, although a run opens them several times."""

import io
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from ingestion.storage.base import Storage, StoredFile

MOST_BYTES = 1 << 20


class ReadOnceStorage:
    """A landing zone that keeps the bytes of small files in memory. Several threads may use it at the same time.

    A run recognises a file, compares its checksum and loads it: three requests to an object store. `confirms` and
    `is_unchanged` look at the file itself.

    Arguments:
        inner: the landing zone.
        most_held_bytes: how much is kept; what was read first is read again.

    """

    def __init__(self, inner: Storage, most_held_bytes: int) -> None:
        self._inner = inner
        self._most_held_bytes = most_held_bytes
        self._held: OrderedDict[StoredFile, bytes] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()

    def recover(self) -> None:
        self._inner.recover()

    def clear_leftovers(self) -> None:
        self._inner.clear_leftovers()

    def list(self) -> Iterator[StoredFile]:
        return self._inner.list()

    def open(self, file: StoredFile) -> BinaryIO:
        if file.size > MOST_BYTES:
            return self._inner.open(file)
        held = self._held.get(file)
        if held is None:
            held = self._read(file)
        # a file that has grown is streamed
        return self._inner.open(file) if held is None else io.BytesIO(held)

    def confirms(self, file: StoredFile, checksum: str) -> bool:
        return self._inner.confirms(file, checksum)

    def is_unchanged(self, file: StoredFile) -> bool:
        return self._inner.is_unchanged(file)

    def add(self, name: str, path: Path, checksum: str) -> bool:
        return self._inner.add(name, path, checksum)

    @property
    def can_archive(self) -> bool:
        return self._inner.can_archive

    def archive(self, file: StoredFile, checksum: str) -> bool:
        return self._inner.archive(file, checksum)

    def is_archived(self, name: str, checksum: str) -> bool:
        return self._inner.is_archived(name, checksum)

    def _read(self, file: StoredFile) -> bytes | None:
        chunks: list[bytes] = []
        size = 0
        with closing(self._inner.open(file)) as stream:
            # no more than it needs: room for a large chunk would be made for each small file
            while chunk := stream.read(file.size + 1):
                chunks.append(chunk)
                size += len(chunk)
                if size > MOST_BYTES:
                    return None
        held = b"".join(chunks)
        with self._lock:
            if file not in self._held:
                self._held[file] = held
                self._held_bytes += size
            while self._held_bytes > self._most_held_bytes:
                self._held_bytes -= len(self._held.popitem(last=False)[1])
        return held
