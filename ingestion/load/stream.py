"""A file as a stream of bytes that is hashed while it is read."""

import hashlib
import io
from contextlib import closing
from typing import BinaryIO

from ingestion.load.progress import OnChunk, ignore_progress
from ingestion.storage import Storage, StoredFile

CHUNK_BYTES = 1 << 18


class HashedStream(io.RawIOBase):
    """The bytes of a file, hashed and counted as they are read.

    Arguments:
        raw: the bytes; closed with this stream.
        on_chunk: called with the number of bytes of each chunk, and 0 lines.

    """

    def __init__(self, raw: BinaryIO, on_chunk: OnChunk = ignore_progress) -> None:
        self._raw = raw
        self._on_chunk = on_chunk
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, b"" at the end.

        Arguments:
            size: the most bytes to return.

        """
        chunk = self._raw.read(size)
        if chunk:
            self._digest.update(chunk)
            self.size += len(chunk)
            self._on_chunk(len(chunk), 0)
        return chunk

    def drain(self) -> None:
        """Read to the end, so that the checksum is that of all bytes."""
        while self.read(CHUNK_BYTES):
            pass

    def close(self) -> None:
        """Close the underlying stream, too."""
        self._raw.close()
        super().close()

    @property
    def checksum(self) -> str:
        """SHA-256 of all bytes read so far, in hexadecimal."""
        return self._digest.hexdigest()


def checksum_of(storage: Storage, file: StoredFile) -> str:
    """Return SHA-256 of a file's bytes, in hexadecimal.

    Arguments:
        storage: where the file is.
        file: the file, as listed.

    Raises:
        FileRefusedError: it cannot be read.

    """
    with closing(HashedStream(storage.open(file))) as stream:
        stream.drain()
        return stream.checksum
