"""Read files of any format as UTF-8 text with one row per line.

One module per format implements `base.Format`; `registry` lists them. No other package names a format.
"""

from ingestion.formats.base import Format
from ingestion.formats.limits import LIMITS, Limits
from ingestion.formats.registry import FORMATS, TABLE_FORMATS, format_of, table_format_of
from ingestion.formats.text import Text, zipped_table_format

__all__ = [
    "FORMATS",
    "LIMITS",
    "TABLE_FORMATS",
    "Format",
    "Limits",
    "Text",
    "format_of",
    "table_format_of",
    "zipped_table_format",
]
