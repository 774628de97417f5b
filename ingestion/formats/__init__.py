"""Read files of any format as UTF-8 text, one row per line."""

from ingestion.formats.text import LIMITS, Book, Limits, Text

__all__ = ["LIMITS", "Book", "Limits", "Text"]
