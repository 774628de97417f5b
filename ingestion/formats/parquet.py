"""Parquet, read by a separate process.

fastparquet trusts the sizes that a file states. One changed byte can crash its process with a segmentation fault, or
make it run for ever. Neither may happen to a run, which refuses such a file instead.
"""

import io
import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import IO, cast

from ingestion.config import ROOT
from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import CHUNK_BYTES, Chunks, Format, Unpacked
from ingestion.formats.parquet_process import CANNOT_READ, TOO_LARGE

_SIGNATURE = b"PAR1"
_LEAST_BYTES = 12
# the longest time without a row; decoding a row group takes seconds
_PATIENCE_SECONDS = 120.0
_COMMAND = (sys.executable, "-m", "ingestion.formats.parquet_process")


class Parquet(Format):
    """A Parquet file, read one row group at a time."""

    suffixes = (".parquet",)

    def read(self, file: Unpacked) -> Readable:
        """Return the rows as CSV."""
        return Chunks(_rows(file.seekable(), file.limits.table_bytes))


def _rows(file: IO[bytes], table_bytes: int) -> Iterator[bytes]:
    if not _has_footer(file):
        raise _unreadable()
    with subprocess.Popen(
        (*_COMMAND, str(table_bytes)),
        cwd=ROOT,
        stdin=file.fileno(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield from _read(cast("IO[bytes]", process.stdout))
            code = process.wait()
        finally:
            process.kill()
    if code == CANNOT_READ:
        raise _unreadable()
    if code == TOO_LARGE:
        raise FileRefusedError(
            f"a row group is larger than {table_bytes >> 20} MiB", hint="Write the file with smaller row groups."
        )
    if code:
        raise _damaged()


def _has_footer(file: IO[bytes]) -> bool:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size < _LEAST_BYTES or file.read(len(_SIGNATURE)) != _SIGNATURE:
        return False
    file.seek(size - 8)
    length, signature = struct.unpack("<I4s", file.read(8))
    return bool(signature == _SIGNATURE and length <= size - _LEAST_BYTES)


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    while True:
        ready, _, _ = select.select([stream], [], [], _PATIENCE_SECONDS)
        if not ready:
            raise _damaged()
        chunk = os.read(stream.fileno(), CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def _unreadable() -> FileRefusedError:
    return FileRefusedError("the file cannot be read as Parquet", hint="Export it again.")


def _damaged() -> FileRefusedError:
    return FileRefusedError("the Parquet file is damaged", hint="Export it again.")
