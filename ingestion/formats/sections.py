"""A table of a file with several, each below a line with its title and above a blank line."""

from collections.abc import Iterator

from ingestion.db import Readable
from ingestion.formats.base import CHUNK_BYTES, Chunks, Format, Unpacked
from ingestion.formats.encoding import to_utf8
from ingestion.sources import Layout, normalise

# what a spreadsheet adds to a line with one text, or to a blank one
_AROUND = b' \t\r\n,;"'


class Section(Format):
    """The lines below a title. Those above are blank in its place, so that the numbers of lines are those of the file.

    Arguments:
        layout: the title.

    """

    suffixes = (".csv",)

    def __init__(self, layout: Layout) -> None:
        self._title = normalise(layout.section)

    def read(self, file: Unpacked) -> Readable:
        """Return the lines of the table."""
        return Chunks(self._lines(to_utf8(file.stream, file.encoding)))

    def _lines(self, stream: Readable) -> Iterator[bytes]:
        lines = _split(stream)
        for line in lines:
            yield b"\n"
            if normalise(line.strip(_AROUND).decode("utf-8-sig", "replace")) == self._title:
                break
        for line in lines:
            if not line.strip(_AROUND):
                return
            yield line


def _split(stream: Readable) -> Iterator[bytes]:
    """Yield the lines of a text with their ends."""
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        *lines, rest = (rest + chunk).splitlines(keepends=True)
        if rest.endswith(b"\n"):
            lines.append(rest)
            rest = b""
        yield from lines
    if rest:
        yield rest
