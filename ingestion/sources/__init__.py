"""The declared datasets: what a file is called, which columns it has, and which raw table they go to.

Adding a dataset is one file in `datasets/`, one `sql/NNN_raw_<name>.sql`, one staging model, and sample rows; adding
another device's export of one is a file in `devices/`.
"""

from ingestion.errors import ConfigurationError
from ingestion.sources.declarations import declared
from ingestion.sources.model import EXTRA, Column, DateOrder, Layout, Source, normalise, user_id_in, without_user_id

__all__ = [
    "EXTRA",
    "Column",
    "DateOrder",
    "Layout",
    "Source",
    "declared",
    "normalise",
    "source_named",
    "sources_for",
    "user_id_in",
    "without_user_id",
]

# for scripts and tests: not worked out before they are asked for, since a declaration may be wrong
SOURCES: tuple[Source, ...]
DAILY_ACTIVITY: Source
SLEEP: Source


def sources_for(basename: str) -> tuple[Source, ...]:
    """Return the sources that a file of this name belongs to: none where it is unknown, several where it has tables."""
    return tuple(source for source in declared() if source.matches(basename))


def source_named(name: str) -> Source:
    """Return a source by the name of its raw table.

    Raises:
        ConfigurationError: it is not declared, or not any more.

    """
    for source in declared():
        if source.name == name:
            return source
    raise ConfigurationError(
        f"the dataset {name} is not declared", hint=f"Bring back ingestion/sources/datasets/{name}.toml."
    )


def __getattr__(name: str) -> object:
    if name == "SOURCES":
        return declared()
    if name in {"DAILY_ACTIVITY", "SLEEP"}:
        return source_named(name.lower())
    raise AttributeError(name)
