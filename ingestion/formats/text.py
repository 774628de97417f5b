"""Open a file as UTF-8 text: unpack it, find its format, and read it."""

from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Literal

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import CHUNK_BYTES, Format, TableFormat, Unpacked, spool
from ingestion.formats.encoding import to_utf8
from ingestion.formats.registry import FORMATS, TABLE_FORMATS
from ingestion.formats.spreadsheet import Spreadsheet
from ingestion.unpacking import PACKINGS, open_only_member, sheet_of, unpack
from ingestion.unpacking.limits import LIMITS, Limits

_BY_SUFFIX = {suffix: each for each in FORMATS for suffix in each.suffixes}


class Text:
    """The text of a file, streamed. A file that can only be read from its end goes through a temporary file.

    `format` is the form of its lines, and `has_cells` says whether its values are cells of a spreadsheet.

    Arguments:
        name: the file's name; its suffixes tell how it is packed and which format it has.
        stream: its bytes.
        encoding: the encoding of text that has no byte order mark.
        limits: limits on what it unpacks to.
        own_format: the format of the layout, where the name does not tell it.

    Raises:
        FileRefusedError: the file is not what its name says, or holds too much.

    """

    def __init__(
        self,
        name: str,
        stream: Readable,
        encoding: str = "utf-8",
        limits: Limits = LIMITS,
        *,
        own_format: Format | None = None,
    ) -> None:
        self._resources = ExitStack()
        try:
            packing, suffix = _suffixes(name)
            if packing == ".zip":
                stream, member = self._open_zip(stream, limits, own_format)
                suffix = suffix or PurePosixPath(member).suffix.lower()
            elif packing:
                stream = unpack(stream, packing, limits)
            sheet = sheet_of(name)
            by_name = Spreadsheet(sheet) if sheet else _BY_SUFFIX.get(suffix, FORMATS[0])
            found: Format = own_format or by_name
            self.format: Literal["csv", "ndjson"] = found.lines
            self.has_cells = found.has_cells
            self._text = found.read(Unpacked(stream, encoding, limits, self._resources))
        except BaseException:
            self._resources.close()
            raise

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, b"" at the end.

        Arguments:
            size: about the most to return.

        """
        return self._text.read(size)

    def close(self) -> None:
        """Remove temporary files."""
        self._resources.close()

    def _open_zip(self, stream: Readable, limits: Limits, own_format: Format | None) -> tuple[Readable, str]:
        file = spool(stream, self._resources)
        if not isinstance(own_format, TableFormat):
            return open_only_member(file, limits, self._resources)
        return open_only_member(file, limits, self._resources, own_format.is_member)


def zipped_table_format(name: str, stream: Readable, limits: Limits = LIMITS) -> str | None:
    """Return the name of the format with several tables that is in a zip archive with other files, or None.

    Arguments:
        name: the archive's name.
        stream: its bytes.
        limits: limits on what it unpacks to.

    """
    if _suffixes(name)[0] != ".zip":
        return None
    with ExitStack() as resources:
        file = spool(stream, resources)
        for each, table_format in TABLE_FORMATS.items():
            try:
                member, _ = open_only_member(file, limits, resources, table_format.is_member)
                if table_format.begins(to_utf8(member, "utf-8").read(CHUNK_BYTES)):
                    return each
            except FileRefusedError:
                continue
    return None


def _suffixes(name: str) -> tuple[str, str]:
    """Return the suffix of the packing and that of the format, "" where there is none."""
    # as pathlib has it, which takes several times as long
    basename = name.rpartition("/")[2].lower().lstrip(".")
    suffixes = [] if basename.endswith(".") else [f".{part}" for part in basename.split(".")[1:]]
    packing = suffixes.pop() if suffixes and suffixes[-1] in PACKINGS else ""
    suffix = suffixes[-1] if suffixes else ""
    return packing, suffix if suffix in _BY_SUFFIX else ""
