"""The declared datasets: what a file is called, which columns it has, and which raw table they go to.

Adding a dataset is one `Source` in `SOURCES`, one `sql/NNN_raw_<name>.sql`, one staging model, and sample rows.
"""

from ingestion.sources.fitbit import DAILY_ACTIVITY, HEART_RATE, HOURLY_STEPS, SLEEP, WEIGHT
from ingestion.sources.model import Column, DateOrder, Layout, Source, normalise, user_id_in

__all__ = [
    "DAILY_ACTIVITY",
    "SLEEP",
    "SOURCES",
    "Column",
    "DateOrder",
    "Layout",
    "Source",
    "normalise",
    "source_for",
    "user_id_in",
]

SOURCES = (DAILY_ACTIVITY, SLEEP, HOURLY_STEPS, HEART_RATE, WEIGHT)


def source_for(basename: str) -> Source | None:
    """Return the source that a file of this name belongs to, or None for an unknown one."""
    return next((source for source in SOURCES if source.matches(basename)), None)
