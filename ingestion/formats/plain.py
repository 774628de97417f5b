"""What the formats that are text already share: they are only converted to UTF-8."""

from ingestion.db import Readable
from ingestion.formats.base import Format, Unpacked
from ingestion.formats.encoding import to_utf8


class PlainText(Format):
    """A format that is text, with one row per line."""

    def read(self, file: Unpacked) -> Readable:
        """Return the text in UTF-8."""
        return to_utf8(file.stream, file.encoding)
