"""Parquet, read by a separate process.

fastparquet trusts the sizes that a file states. One changed byte can crash its process with a segmentation fault, or
make it run for ever. Neither may happen to a run, which refuses such a file instead.
"""

import io
import struct
from collections.abc import Iterator
from typing import IO

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import Chunks, Format, Unpacked
from ingestion.formats.parquet_process import CANNOT_READ, TOO_LARGE
from ingestion.formats.separate import command_of, read_separately

_SIGNATURE = b"PAR1"
_LEAST_BYTES = 12
# the longest time without a row; decoding a row group takes seconds
_PATIENCE_SECONDS = 120.0
_COMMAND = command_of("parquet_process")


class Parquet(Format):
    """A Parquet file, read one row group at a time."""

    suffixes = (".parquet",)

    def read(self, file: Unpacked) -> Readable:
        """Return the rows as CSV."""
        return Chunks(_rows(file.seekable(), file.limits.table_bytes))


def _rows(file: IO[bytes], table_bytes: int) -> Iterator[bytes]:
    unreadable = FileRefusedError("the file cannot be read as Parquet", hint="Export it again.")
    if not _has_footer(file):
        raise unreadable
    too_large = FileRefusedError(
        f"a row group is larger than {table_bytes >> 20} MiB", hint="Write the file with smaller row groups."
    )
    yield from read_separately(
        (*_COMMAND, str(table_bytes)),
        file,
        patience_seconds=_PATIENCE_SECONDS,
        refusals={CANNOT_READ: unreadable, TOO_LARGE: too_large},
        damaged=FileRefusedError("the Parquet file is damaged", hint="Export it again."),
    )


def _has_footer(file: IO[bytes]) -> bool:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size < _LEAST_BYTES or file.read(len(_SIGNATURE)) != _SIGNATURE:
        return False
    file.seek(size - 8)
    length, signature = struct.unpack("<I4s", file.read(8))
    return bool(signature == _SIGNATURE and length <= size - _LEAST_BYTES)
