"""The interface of a format."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, ClassVar, Literal, cast

from ingestion.db import Readable
from ingestion.formats.limits import Limits

CHUNK_BYTES = 1 << 18
_IN_MEMORY_BYTES = 1 << 20


class Unpacked:
    """The unpacked bytes of a file.

    Arguments:
        stream: the bytes.
        encoding: the encoding of text that has no byte order mark.
        limits: limits on what is read into memory.
        resources: closed together with the file.

    """

    def __init__(self, stream: Readable, encoding: str, limits: Limits, resources: ExitStack) -> None:
        self.stream = stream
        self.encoding = encoding
        self.limits = limits
        self._resources = resources

    def seekable(self) -> IO[bytes]:
        """Copy the rest of the stream to a temporary file, and return that file at its beginning."""
        return spool(self.stream, self._resources)


class Format(ABC):
    """One way to write a table into a file.

    A format has no state, except for one that reads one table of several: `registry.TABLE_FORMATS` constructs it for
    that table.
    """

    # lower case, with the dot
    suffixes: ClassVar[tuple[str, ...]]
    # the form of the text that `read` returns
    lines: ClassVar[Literal["csv", "ndjson"]] = "csv"
    # whether its values are cells of a spreadsheet, which may have read them otherwise than they were written
    has_cells: ClassVar[bool] = False

    @abstractmethod
    def read(self, file: Unpacked) -> Readable:
        """Return the table as UTF-8 text with one row per line.

        Arguments:
            file: the file, without its packing.

        Raises:
            FileRefusedError: the file does not have this format, is damaged, or is too large. Reading the returned
                stream raises it too.

        """


class TableFormat(Format):
    """A format whose files hold several tables, and come in an archive with other files."""

    # a limit of its own: these archives hold pictures, routes and the like, one file each
    archive_entries: ClassVar[int]

    @abstractmethod
    def is_member(self, name: str) -> bool:
        """Whether the file with the tables has this name in the archive."""


class Chunks:
    """A stream made of an iterator.

    Arguments:
        chunks: the parts, none of them empty.

    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, _size: int, /) -> bytes:
        """Return the next part, b"" at the end."""
        return next(self._chunks, b"")


def spool(stream: Readable, resources: ExitStack) -> IO[bytes]:
    """Copy a stream to a temporary file, and return that file at its beginning.

    Arguments:
        stream: what to copy.
        resources: closes the file.

    """
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115  (the resources close it)
    resources.enter_context(file)
    while chunk := stream.read(CHUNK_BYTES):
        file.write(chunk)
    file.seek(0)
    return cast("IO[bytes]", file)
