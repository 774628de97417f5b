"""JSON with one object per line."""

from ingestion.db import Readable
from ingestion.formats.base import Format, Unpacked
from ingestion.formats.encoding import to_utf8


class JsonLines(Format):
    """Newline-delimited JSON."""

    suffixes = (".ndjson", ".jsonl")
    lines = "ndjson"

    def read(self, file: Unpacked) -> Readable:
        """Return the text in UTF-8."""
        return to_utf8(file.stream, file.encoding)
