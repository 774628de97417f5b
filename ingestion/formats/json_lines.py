"""JSON with one object per line."""

from ingestion.formats.plain import PlainText


class JsonLines(PlainText):
    """Newline-delimited JSON."""

    suffixes = (".ndjson", ".jsonl")
    lines = "ndjson"
