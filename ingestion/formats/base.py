"""The interface of a format."""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, ClassVar, Literal, cast

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.limits import Limits
from ingestion.sources import Layout

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

    def seekable(self, most_bytes: int | None = None) -> IO[bytes]:
        """Copy the rest of the stream to a temporary file, and return that file at its beginning.

        Arguments:
            most_bytes: how many bytes it may have; None for no limit of its own.

        Raises:
            FileRefusedError: it has more.

        """
        return spool(self.stream, self._resources, most_bytes)


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

    @abstractmethod
    def __init__(self, layout: Layout, user_id: int) -> None: ...

    # a limit of its own: these archives hold pictures, routes and the like, one file each
    archive_entries: ClassVar[int]

    @classmethod
    @abstractmethod
    def is_member(cls, name: str) -> bool:
        """Whether the file with the tables has this name in the archive."""

    @classmethod
    @abstractmethod
    def begins(cls, beginning: bytes) -> bool:
        """Whether a file begins like one with the tables.

        Arguments:
            beginning: the first bytes of the file, in UTF-8 where it is text.

        """


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


def spool(stream: Readable, resources: ExitStack, most_bytes: int | None = None) -> IO[bytes]:
    """Copy a stream to a temporary file, and return that file at its beginning.

    Arguments:
        stream: what to copy.
        resources: closes the file.
        most_bytes: how many bytes it may have; None for no limit of its own.

    Raises:
        FileRefusedError: it has more.
        OSError: the temporary directory is full.

    """
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115  (the resources close it)
    resources.enter_context(file)
    while chunk := stream.read(CHUNK_BYTES):
        file.write(chunk)
        if most_bytes is not None and file.tell() > most_bytes:
            raise FileRefusedError(
                f"the file is larger than {most_bytes >> 20} MiB", hint="Save it as CSV, or split it."
            )
    file.seek(0)
    return cast("IO[bytes]", file)
