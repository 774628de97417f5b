"""The declared datasets: the names of their files, their columns, and their raw tables.

A new dataset is a file in `datasets/`, a `sql/NNN_raw_<name>.sql`, a staging model and sample rows. Another device's
export of a dataset is a file in `devices/`.
"""

from ingestion.errors import ConfigurationError
from ingestion.sources.declarations import declared
from ingestion.sources.hiding import path_without_person, without_user_id
from ingestion.sources.model import (
    EXTRA,
    MOMENTS,
    OFFSET,
    Clock,
    Column,
    Dataset,
    DateOrder,
    DecimalMark,
    Layout,
    normalise,
)
from ingestion.sources.names import layouts_by_labelled_name, layouts_by_name
from ingestion.sources.paths import date_order_in, decimal_mark_in, folder_of_participant
from ingestion.sources.persons import person_in
from ingestion.unpacking import sheet_of

__all__ = [
    "EXTRA",
    "MOMENTS",
    "OFFSET",
    "Clock",
    "Column",
    "Dataset",
    "DateOrder",
    "DecimalMark",
    "Layout",
    "dataset_named",
    "datasets_for",
    "date_order_in",
    "decimal_mark_in",
    "declared",
    "folder_of_participant",
    "layouts_by_labelled_name",
    "layouts_by_name",
    "normalise",
    "part_in",
    "path_without_person",
    "person_in",
    "without_user_id",
]


def datasets_for(basename: str) -> tuple[Dataset, ...]:
    """Return the datasets that a file of this name belongs to: several where it holds several tables.

    Arguments:
        basename: the file's name without folders.

    """
    return tuple(layouts_by_name(basename))


def part_in(dataset: str, path: str) -> str | None:
    """Return what only the name of a file says: what it measures, or its sheet; None where its content tells.

    Arguments:
        dataset: the name of its dataset.
        path: its name in the landing zone.

    """
    if sheet := sheet_of(path):
        return sheet
    by_name = layouts_by_name(path.rpartition("/")[2])
    layouts = (each for known, found in by_name.items() if known.name == dataset for each in found)
    return next((layout.stems[0] for layout in layouts if layout.needs_name), None)


def dataset_named(name: str) -> Dataset:
    """Return the dataset of a raw table.

    Arguments:
        name: the raw table, without its schema.

    Raises:
        ConfigurationError: the dataset is not declared, or no longer is.

    """
    for dataset in declared():
        if dataset.name == name:
            return dataset
    raise ConfigurationError(
        f"the dataset {name} is not declared", hint=f"Restore ingestion/sources/datasets/{name}.toml."
    )
