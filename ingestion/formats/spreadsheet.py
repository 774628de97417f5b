"""Excel workbooks; they are read into memory."""

from collections.abc import Iterator
from typing import IO

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.archives import open_zip
from ingestion.formats.base import Chunks, Format, Unpacked
from ingestion.formats.frames import as_csv
from ingestion.formats.limits import Limits


class Spreadsheet(Format):
    """An .xlsx workbook with one sheet that is not empty."""

    suffixes = (".xlsx",)
    has_cells = True

    def read(self, file: Unpacked) -> Readable:
        """Return the sheet as CSV."""
        return Chunks(_rows(file.seekable(), file.limits))


def _rows(file: IO[bytes], limits: Limits) -> Iterator[bytes]:
    with open_zip(file, limits.entries) as archive:
        size = sum(info.file_size for info in archive.infolist())
    if size > limits.table_bytes:
        raise FileRefusedError(
            f"the spreadsheet unpacks to more than {limits.table_bytes >> 20} MiB", hint="Save it as CSV."
        )
    file.seek(0)
    import pandas as pd  # noqa: PLC0415  (importing it takes a second)

    try:
        sheets = pd.read_excel(
            file, sheet_name=None, header=None, dtype=object, engine="openpyxl", keep_default_na=False, na_filter=False
        )
    except Exception as exc:  # openpyxl has no base class for the errors of its parsers
        raise FileRefusedError("the spreadsheet cannot be read", hint="Save it as CSV.") from exc
    filled = [frame for frame in sheets.values() if not frame.empty]
    if len(filled) > 1:
        raise FileRefusedError(
            f"the spreadsheet has {len(filled)} sheets that are not empty", hint="Save each sheet as a file."
        )
    for frame in filled:
        yield from as_csv(frame, header=False)
