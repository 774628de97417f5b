"""The sheets of an .xlsx workbook that are not empty, as members of a folder."""

import html
import io
import posixpath
import re
from typing import IO

from ingestion.unpacking.folders import Folder, Part, Place, safe_name
from ingestion.unpacking.limits import Limits
from ingestion.unpacking.packed import CORRUPT, corrupt, open_zip

_SUFFIX = ".xlsx"
# of the list of sheets, and of the beginning of a sheet: rows follow a few settings
_MOST_BYTES = 1 << 20
_FIRST_BYTES = 1 << 16
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^>]*>")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\s[^>]*>")
_CELL = re.compile(rb"<(?:\w+:)?c[\s>]")


class WorkbookFolder(Folder):
    """A workbook whose sheets are its members. Each of them is the whole workbook; the reader takes one sheet.

    Arguments:
        file: the workbook, a real file; closed with the folder.
        limits: limits on what it unpacks to.

    Raises:
        FileRefusedError: it is damaged, or holds too much.

    """

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        super().__init__(limits)
        self._file = file
        size = file.seek(0, io.SEEK_END)
        try:
            names = _filled_sheets(file, limits)
        except (*CORRUPT, KeyError) as exc:
            raise corrupt() from exc
        self.sizes = {f"{safe_name(name).replace('/', '_')}{_SUFFIX}": size for name in names}

    def close(self) -> None:
        """Close the workbook."""
        self._file.close()

    def open(self, name: str) -> io.RawIOBase:
        """Return the workbook as a stream."""
        return Part(self._file.fileno(), Place(0, self.sizes[name]))


def sheet_of(name: str) -> str | None:
    """Return the sheet of a workbook that a name in the landing zone is of; None for any other file.

    Arguments:
        name: the name of a file in the landing zone.

    """
    workbook, inside, sheet = name.rpartition("!/")
    is_sheet = inside and workbook.lower().endswith(_SUFFIX) and sheet.lower().endswith(_SUFFIX)
    return sheet[: -len(_SUFFIX)] if is_sheet else None


def _filled_sheets(file: IO[bytes], limits: Limits) -> list[str]:
    with open_zip(file, limits.entries) as archive:
        with archive.open("xl/workbook.xml") as part:
            sheets = _SHEET.findall(part.read(_MOST_BYTES))
        with archive.open("xl/_rels/workbook.xml.rels") as part:
            relations = _RELATION.findall(part.read(_MOST_BYTES))
        targets = {_attribute(each, "Id"): _attribute(each, "Target") for each in relations}
        found = []
        for sheet in sheets:
            target = targets.get(_attribute(sheet, r"(?:\w+:)?id"), "")
            path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            if path in archive.namelist():
                with archive.open(path) as part:
                    if _CELL.search(part.read(_FIRST_BYTES)):
                        found.append(_attribute(sheet, "name"))
        return found


def _attribute(element: bytes, name: str) -> str:
    found = re.search(rf"\s{name}=(?:\"([^\"]*)\"|'([^']*)')".encode(), element)
    return html.unescape((found[1] or found[2] or b"").decode()) if found else ""
