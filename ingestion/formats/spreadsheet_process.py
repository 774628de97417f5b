"""The process that converts a spreadsheet to CSV; `spreadsheet` starts it.

All rows of a table have as many fields as the widest. That is known only at the end, so the rows wait in a temporary
file, each without the empty fields at its end.
"""

import csv
import errno
import io
import os
import re
import sys
import tempfile
from array import array
from collections.abc import Iterable
from typing import IO, Any

from ingestion.formats.separate import limit

CANNOT_READ, TOO_LARGE, TOO_WIDE, DISK_IS_FULL, MIXED = 3, 4, 5, 6, 7
# plus the number of sheets that are not empty
SHEETS = 100
MOST_SHEETS = 99

# those of a table of PostgreSQL
MOST_COLUMNS = 1_600
# those of a sheet of Excel
_MOST_ROWS = 1_048_576
_MEMORY_BYTES = 1 << 30
_SECONDS = 600
_BLOCK_BYTES = 1 << 18
# a text that is a number with a mark, as people write it
_MARKED = re.compile(r"[+-]?\d+(?:[.,' \u00a0\u202f]\d+)+")


class _Refusal(Exception):  # noqa: N818
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Rows:
    """The rows of a sheet, in a temporary file."""

    def __init__(self, most_bytes: int) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (the process ends with it)
        self._most_bytes = most_bytes
        self._sizes = array("L")
        self._counts = array("H")
        self._size = 0
        self._filled_rows = 0
        self._width = 0

    @property
    def is_empty(self) -> bool:
        return not self._filled_rows

    def add(self, fields: list[Any]) -> None:
        if len(self._sizes) >= _MOST_ROWS:
            raise _Refusal(TOO_LARGE)
        line = _line(fields)
        self._file.write(line)
        self._sizes.append(len(line))
        self._counts.append(len(fields))
        self._size += len(line)
        if fields:
            self._filled_rows = len(self._sizes)
            self._width = max(self._width, len(fields))
            if self._width > MOST_COLUMNS:
                raise _Refusal(TOO_WIDE)
            if self._size + self._filled_rows * self._width > self._most_bytes:
                raise _Refusal(TOO_LARGE)

    def write(self, output: IO[bytes]) -> None:
        """Write the rows up to the last that is not empty, all of the same width."""
        self._file.seek(0)
        block = bytearray()
        for size, count in zip(self._sizes[: self._filled_rows], self._counts, strict=False):
            # a line of one empty field would be no line
            block += self._file.read(size) or (b'""' if self._width == 1 else b"")
            block += b"," * (self._width - max(count, 1)) + b"\n"
            if len(block) > _BLOCK_BYTES:
                output.write(block)
                block.clear()
        output.write(block)


def _line(fields: list[Any]) -> bytes:
    if not any(field != "" for field in fields):
        return b"," * (len(fields) - 1)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue()[:-1].encode()


class _Columns:
    """Which kinds of cells the columns of a sheet have.

    A spreadsheet that is set to another country reads 1.204 as the number 1204, and keeps 6.25 as a text.
    """

    def __init__(self) -> None:
        self._with_numbers: set[int] = set()
        self._with_marked_texts: set[int] = set()

    def fields(self, row: Iterable[Any]) -> list[Any]:
        """Return the values of a row, without the empty ones at its end."""
        cells = list(row)
        while cells and cells[-1].value is None:
            cells.pop()
        for place, cell in enumerate(cells):
            if cell.data_type == "n" and cell.value is not None:
                self._with_numbers.add(place)
            elif cell.data_type == "s" and _MARKED.fullmatch(cell.value):
                self._with_marked_texts.add(place)
        return ["" if cell.value is None else _value(cell) for cell in cells]

    def check(self) -> None:
        if self._with_numbers & self._with_marked_texts:
            raise _Refusal(MIXED)


def _value(cell: Any) -> Any:
    if cell.data_type == "e":
        return ""
    if cell.data_type == "n":
        whole = int(cell.value)
        return whole if whole == cell.value else float(cell.value)
    # a date is written like 2016-04-12 00:00:00, whatever its format is, and a text as it is
    return cell.value


def _filled_sheet(book: Any, most_bytes: int, title: str) -> _Rows | None:
    """Return the rows of the sheet with this title, or of the one that is not empty; or None."""
    filled: list[_Rows] = []
    for sheet in book.worksheets:
        if title and sheet.title != title:
            continue
        # the file states them, and may be wrong
        sheet.reset_dimensions()
        rows = _Rows(most_bytes)
        columns = _Columns()
        for row in sheet.rows:
            rows.add(columns.fields(row))
            if filled and not rows.is_empty:
                break
        if not rows.is_empty:
            columns.check()
            filled.append(rows)
    if len(filled) > 1:
        raise _Refusal(SHEETS + min(len(filled), MOST_SHEETS))
    return filled[0] if filled else None


def _main(most_bytes: int, title: str) -> int:
    """Convert the spreadsheet on standard input to CSV on standard output, and return the exit code."""
    # imported first, because libraries reserve addresses that they do not use
    from openpyxl import load_workbook  # noqa: PLC0415  (only this process needs it)

    limit(_MEMORY_BYTES, _SECONDS)
    with os.fdopen(os.dup(1), "wb") as output, open(0, "rb", closefd=False) as file:
        try:
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            rows = _filled_sheet(book, most_bytes, title)
            if rows:
                rows.write(output)
        except _Refusal as exc:
            return exc.code
        except MemoryError:
            return TOO_LARGE
        except Exception as exc:  # noqa: BLE001  (openpyxl has no base class for the errors of its parsers)
            is_full = isinstance(exc, OSError) and exc.errno in {errno.ENOSPC, errno.EDQUOT}
            return DISK_IS_FULL if is_full else CANNOT_READ
    return 0


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), sys.argv[2]))
