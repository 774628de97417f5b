"""CSV and TSV."""

from ingestion.db import Readable
from ingestion.formats.base import Format, Unpacked
from ingestion.formats.encoding import to_utf8


class Delimited(Format):
    """Text with a delimiter, which the load finds in the header."""

    suffixes = (".csv", ".tsv")

    def read(self, file: Unpacked) -> Readable:
        """Return the text in UTF-8."""
        return to_utf8(file.stream, file.encoding)
