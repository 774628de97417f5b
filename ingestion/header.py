"""The first line of a file, matched to the columns that its source declares."""

import csv
from dataclasses import dataclass

from ingestion.errors import FileRefusedError
from ingestion.sources import Column, Source, normalise

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_OTHER_DELIMITERS = (";", "\t", "|")
# a table may have 1,600 columns; the one that takes in the records has one for the line number
_MAX_COLUMNS = 1599


@dataclass(frozen=True)
class Header:
    """What the columns of a file are.

    Arguments:
        fields: for each field of a row the declared column, or the header of one that is not declared.
        newline: what ends a line: a line feed, or a lone carriage return in files of old spreadsheets.
        size: length of the header in bytes, BOM and line end included.

    """

    fields: tuple[Column | str, ...]
    newline: bytes
    size: int

    @property
    def columns(self) -> tuple[Column, ...]:
        """The declared columns, in the file's order."""
        return tuple(field for field in self.fields if isinstance(field, Column))

    @property
    def extra(self) -> tuple[str, ...]:
        """The headers that the source does not declare."""
        return tuple(field for field in self.fields if isinstance(field, str))


def read_header(source: Source, beginning: bytes) -> Header:
    """Match a file's first line to its source.

    Arguments:
        source: what the file should hold.
        beginning: the file's first bytes, enough to hold the line.

    Returns:
        The columns, in the file's order.

    Raises:
        FileRefusedError: no header, one without a required column, with a column twice, or in another encoding.

    """
    if not beginning:
        raise FileRefusedError("the file is empty", hint="Export it again: even a file without rows has a header.")
    if beginning.startswith(_UTF16):
        raise FileRefusedError("the encoding is UTF-16", hint="Save it as UTF-8.", line=1)
    line, newline = _first_line(beginning)
    try:
        text = line.removeprefix(_BOM).decode().rstrip("\r")
    except UnicodeDecodeError as exc:
        raise FileRefusedError("the header is not UTF-8", hint="Save the file as UTF-8.", line=1) from exc
    if "\x00" in text:
        raise FileRefusedError("the header contains a NUL byte", hint="Export the file again.", line=1)
    try:
        names = next(csv.reader([text]), [])
    except csv.Error as exc:
        raise FileRefusedError("the header is not CSV", hint="Export the file again.", line=1) from exc
    fields = tuple(source.by_header.get(normalise(name), name.strip()) for name in names)
    header = Header(fields, newline, len(line) + len(newline))
    _check(source, header, text)
    return header


def _first_line(beginning: bytes) -> tuple[bytes, bytes]:
    line, newline, _ = beginning.partition(b"\n")
    before, carriage_return, after = line.partition(b"\r")
    if carriage_return and after:
        return before, carriage_return
    return line, newline or b"\n"


def _check(source: Source, header: Header, text: str) -> None:
    names = [field if isinstance(field, str) else field.header for field in header.fields]
    missing = [column.header for column in source.columns if column.required and column not in header.fields]
    # first, for where it is met the names are columns and not the values of a file without a header
    if missing:
        hint = f"{source.name} needs {', '.join(column.header for column in source.columns if column.required)}."
        delimiter = next((d for d in _OTHER_DELIMITERS if len(names) == 1 and d in text), None)
        if delimiter:
            hint = f"The fields seem to be separated by {delimiter!r}: save the file with commas."
        elif not header.columns:
            hint = f"Line 1 must be the header, with no title above it. {hint}"
        raise FileRefusedError(f"the header lacks {', '.join(missing)}", hint=hint, line=1)
    if len(names) > _MAX_COLUMNS:
        raise FileRefusedError(
            f"the header has {len(names)} columns", hint=f"PostgreSQL takes {_MAX_COLUMNS}: leave some out.", line=1
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FileRefusedError(
            f"the header has a column twice: {', '.join(twice)}", hint="Take one of the two out.", line=1
        )
