"""The process that converts a Parquet file to CSV; `parquet` starts it."""

import os
import sys

from ingestion.formats.frames import as_csv
from ingestion.formats.separate import limit

CANNOT_READ, TOO_LARGE = 3, 4

# a row group may need many times its stated size in memory
_MEMORY_PER_BYTE = 16
_MEMORY_BYTES = 2 << 30


def _main(table_bytes: int) -> int:
    """Convert the Parquet file on standard input to CSV on standard output, and return the exit code."""
    limit(_MEMORY_BYTES + _MEMORY_PER_BYTE * table_bytes)
    # fastparquet prints to standard output, too
    with os.fdopen(os.dup(1), "wb") as output, open(0, "rb", closefd=False) as file:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        from fastparquet import ParquetFile  # noqa: PLC0415  (only this process needs it)

        try:
            parquet = ParquetFile(file, verify=True)
            largest = max((group.total_byte_size for group in parquet.row_groups), default=0)
        except Exception:  # noqa: BLE001  (its parsers have no base class for errors)
            return CANNOT_READ
        if largest > table_bytes:
            return TOO_LARGE
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
