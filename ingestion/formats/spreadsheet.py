"""Excel workbooks, read by a separate process.

A workbook of a few kilobytes can unpack to gigabytes of empty rows, cells and texts. The process has limits on its
memory and time.
"""

import errno
import os
from collections.abc import Iterator
from typing import IO

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import Chunks, Format, Unpacked
from ingestion.formats.separate import command_of, read_separately
from ingestion.formats.spreadsheet_process import (
    CANNOT_READ,
    DISK_IS_FULL,
    MIXED,
    MOST_COLUMNS,
    MOST_SHEETS,
    SHEETS,
    TOO_LARGE,
    TOO_WIDE,
)
from ingestion.unpacking.limits import Limits
from ingestion.unpacking.packed import open_zip

# nothing is written before the last row is read; the process has a time limit of its own
_PATIENCE_SECONDS = 900.0
_COMMAND = command_of("spreadsheet_process")


class Spreadsheet(Format):
    """An .xlsx workbook with one sheet that is not empty, or one sheet of several.

    Arguments:
        sheet: the title of the sheet; the one that is not empty, where this is "".

    """

    suffixes = (".xlsx",)
    has_cells = True

    def __init__(self, sheet: str = "") -> None:
        self._sheet = sheet

    def read(self, file: Unpacked) -> Readable:
        """Return the sheet as CSV."""
        return Chunks(_rows(file.seekable(file.limits.table_bytes), file.limits, self._sheet))


def _rows(file: IO[bytes], limits: Limits, sheet: str) -> Iterator[bytes]:
    with open_zip(file, limits.entries) as archive:
        members = archive.infolist()
    size = sum(info.file_size for info in members)
    too_large = FileRefusedError(
        f"the spreadsheet unpacks to more than {limits.table_bytes >> 20} MiB", hint="Save it as CSV."
    )
    if size > limits.table_bytes:
        raise too_large
    limits.check(size, sum(info.compress_size for info in members))
    file.seek(0)
    unreadable = FileRefusedError("the spreadsheet cannot be read", hint="Save it as CSV.")
    refusals = {
        CANNOT_READ: unreadable,
        TOO_LARGE: too_large,
        MIXED: FileRefusedError(
            "a column has numbers, and texts that are numbers; a spreadsheet may have misread their marks",
            hint="Export the file again, and do not open it in a spreadsheet.",
        ),
        TOO_WIDE: FileRefusedError(f"the spreadsheet has more than {MOST_COLUMNS:,} columns", hint="Remove some."),
    }
    for sheets in range(2, MOST_SHEETS + 1):
        refusals[SHEETS + sheets] = FileRefusedError(
            f"the spreadsheet has {sheets} sheets that are not empty", hint="Save each sheet as a file."
        )
    try:
        yield from read_separately(
            (*_COMMAND, str(limits.table_bytes), sheet),
            file,
            patience_seconds=_PATIENCE_SECONDS,
            refusals={**refusals, DISK_IS_FULL: _FullDiskError()},
            damaged=unreadable,
        )
    except _FullDiskError as exc:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from exc


class _FullDiskError(FileRefusedError):
    def __init__(self) -> None:
        super().__init__("the temporary directory is full")
