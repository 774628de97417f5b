"""All formats. A new one is a module of its own and a line here."""

from collections.abc import Callable

from ingestion.formats.apple_health import AppleHealth
from ingestion.formats.base import Format, TableFormat
from ingestion.formats.delimited import Delimited
from ingestion.formats.json_array import JsonArray
from ingestion.formats.json_lines import JsonLines
from ingestion.formats.parquet import Parquet
from ingestion.formats.spreadsheet import Spreadsheet
from ingestion.sources import Layout

# the first reads files whose names end with no known suffix
FORMATS: tuple[Format, ...] = (Delimited(), JsonLines(), JsonArray(), Parquet(), Spreadsheet())

# formats with several tables, by the name that a device's declaration gives as `format`
TABLE_FORMATS: dict[str, Callable[[Layout, int], TableFormat]] = {"apple_health": AppleHealth}
