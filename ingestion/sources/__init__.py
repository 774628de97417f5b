"""The declared datasets: what a file is called, which columns it has, and which raw table they go to.

Adding a dataset is one file in `datasets/`, one `sql/NNN_raw_<name>.sql`, one staging model, and sample rows; adding
another device's export of one is a file in `devices/`.
"""

from ingestion.errors import ConfigurationError
from ingestion.sources.declarations import declared
from ingestion.sources.model import EXTRA, Column, Dataset, DateOrder, Layout, normalise, user_id_in, without_user_id

__all__ = [
    "EXTRA",
    "Column",
    "Dataset",
    "DateOrder",
    "Layout",
    "dataset_named",
    "datasets_for",
    "declared",
    "normalise",
    "user_id_in",
    "without_user_id",
]


def datasets_for(basename: str) -> tuple[Dataset, ...]:
    """Return the sources that a file of this name belongs to: none where it is unknown, several where it has tables."""
    return tuple(dataset for dataset in declared() if dataset.matches(basename))


def dataset_named(name: str) -> Dataset:
    """Return a dataset by the name of its raw table.

    Raises:
        ConfigurationError: it is not declared, or not any more.

    """
    for dataset in declared():
        if dataset.name == name:
            return dataset
    raise ConfigurationError(
        f"the dataset {name} is not declared", hint=f"Bring back ingestion/sources/datasets/{name}.toml."
    )
