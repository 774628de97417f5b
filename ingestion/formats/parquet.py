"""Parquet as CSV, by a process of its own: a damaged file may take its reader with it.

fastparquet follows the sizes that a file names wherever they lead. One byte that is not what it was ends the process
with a segmentation fault, or keeps it for ever; neither may happen to a run. What goes wrong there is a refusal here.
"""

import io
import os
import resource
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import IO, Any, cast

from ingestion.config import ROOT
from ingestion.errors import FileRefusedError

_MARK = b"PAR1"
_LEAST_BYTES = 12
_CHUNK_BYTES = 1 << 18
_ROWS_PER_CHUNK = 10_000
# the longest without a row: a row group is decoded in seconds
_PATIENCE_SECONDS = 120.0
# in memory a row group may be many times as large as it says
_MEMORY_FOR_EACH_BYTE = 16
_MEMORY_BYTES = 2 << 30
_CANNOT_READ, _TOO_LARGE = 3, 4
_COMMAND = (sys.executable, "-m", "ingestion.formats.parquet")


def rows(file: IO[bytes], table_bytes: int) -> Iterator[bytes]:
    """Yield a Parquet file as CSV, a row group at a time.

    Arguments:
        file: a real one, with a descriptor.
        table_bytes: the most that a row group may come to.

    Raises:
        FileRefusedError: it is no such file, or is damaged, or has a row group that is too large.

    """
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
    if code == _CANNOT_READ:
        raise _unreadable()
    if code == _TOO_LARGE:
        raise FileRefusedError(f"a row group has more than {table_bytes >> 20} MiB", hint="Write smaller row groups.")
    if code:
        raise _damaged()


def as_csv(frame: Any, *, header: bool) -> Iterator[bytes]:
    """Yield a data frame as CSV.

    Arguments:
        frame: of pandas.
        header: whether to begin with the names of its columns.

    """
    for begin in range(0, len(frame), _ROWS_PER_CHUNK):
        part = frame.iloc[begin : begin + _ROWS_PER_CHUNK]
        yield part.to_csv(index=False, header=header and begin == 0, lineterminator="\n").encode()


def _has_footer(file: IO[bytes]) -> bool:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size < _LEAST_BYTES or file.read(len(_MARK)) != _MARK:
        return False
    file.seek(size - 8)
    length, mark = struct.unpack("<I4s", file.read(8))
    return bool(mark == _MARK and length <= size - _LEAST_BYTES)


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    while True:
        ready, _, _ = select.select([stream], [], [], _PATIENCE_SECONDS)
        if not ready:
            raise _damaged()
        chunk = os.read(stream.fileno(), _CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def _unreadable() -> FileRefusedError:
    return FileRefusedError("it is no Parquet file that can be read", hint="Export it again.")


def _damaged() -> FileRefusedError:
    return FileRefusedError("its data is damaged", hint="Export it again.")


def _main(table_bytes: int) -> int:
    """Write what is on standard input to standard output, as CSV."""
    most = _MEMORY_BYTES + _MEMORY_FOR_EACH_BYTE * table_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # what fastparquet finds wrong it prints
    with os.fdopen(os.dup(1), "wb") as output, open(0, "rb", closefd=False) as file:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        from fastparquet import ParquetFile  # noqa: PLC0415  (only the process that reads needs it)

        try:
            parquet = ParquetFile(file, verify=True)
            largest = max((group.total_byte_size for group in parquet.row_groups), default=0)
        except Exception:  # noqa: BLE001  (whatever its parsers raise)
            return _CANNOT_READ
        if largest > table_bytes:
            return _TOO_LARGE
        header = True
        for frame in parquet.iter_row_groups():
            for chunk in as_csv(frame, header=header):
                output.write(chunk)
            header = False
        if header:
            output.write(",".join(parquet.columns).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1])))
