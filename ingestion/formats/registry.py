"""All formats. A new one is a module of its own and a line here."""

from ingestion.formats.apple_health import AppleHealth
from ingestion.formats.base import Format, TableFormat
from ingestion.formats.delimited import Delimited
from ingestion.formats.health_connect import HealthConnect
from ingestion.formats.json_array import JsonArray
from ingestion.formats.json_lines import JsonLines
from ingestion.formats.json_rows import JsonRows
from ingestion.formats.parquet import Parquet
from ingestion.formats.sections import Section
from ingestion.formats.spreadsheet import Spreadsheet
from ingestion.sources import Layout

# the first reads files whose names end with no known suffix
FORMATS: tuple[Format, ...] = (Delimited(), JsonLines(), JsonArray(), Parquet(), Spreadsheet())

# formats with several tables, by the name that a device's declaration gives as `format`
TABLE_FORMATS: dict[str, type[TableFormat]] = {"apple_health": AppleHealth, "health_connect": HealthConnect}


def format_of(layout: Layout, user_id: int | None) -> Format | None:
    """Return the format of a layout that the name of a file does not tell; None where the name tells it.

    Arguments:
        layout: the layout.
        user_id: the participant, where a table has to name them.

    """
    if layout.table and user_id is not None:
        return TABLE_FORMATS[layout.format](layout, user_id)
    if layout.section:
        return Section(layout)
    return JsonRows(layout) if layout.rows is not None else None


def table_format_of(beginning: bytes) -> str | None:
    """Return the name of the format with several tables that a file begins like, or None.

    Arguments:
        beginning: the first bytes of the file, in UTF-8 where it is text.

    """
    return next((name for name, each in TABLE_FORMATS.items() if each.begins(beginning)), None)
