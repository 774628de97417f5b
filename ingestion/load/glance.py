"""Look at the header and the first rows of a file without loading it."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import BinaryIO

from ingestion.formats import Text, format_of
from ingestion.load.content import Content
from ingestion.load.date_order import Clues
from ingestion.load.header import Header, layouts_of, read_header
from ingestion.load.reading import Reading
from ingestion.load.stream import HashedStream
from ingestion.sources import Dataset, DateOrder, Layout, date_order_in, decimal_mark_in
from ingestion.storage import Storage, StoredFile


@dataclass(frozen=True)
class Glance:
    """What the beginning of a file says.

    Arguments:
        header: its header.
        date_order: the order of day, month and year that its first rows suggest.
        evidence: what suggests it.

    """

    header: Header
    date_order: DateOrder
    evidence: str


def glance(name: str, opened: Callable[[], BinaryIO], dataset: Dataset, layouts: tuple[Layout, ...]) -> Glance | None:
    """Return what the beginning of a file says, None where it holds several tables, which are not read.

    Arguments:
        name: the file's name in the landing zone.
        opened: opens the file at its beginning.
        dataset: the dataset that it is.
        layouts: the layouts that it may have; those of its name, where there are none.

    Raises:
        FileRefusedError: it cannot be read, or its header is not accepted.
        ForeignFileError: its header has nothing in common with the dataset.

    """
    layouts = layouts or layouts_of(dataset, name)
    if any(layout.table for layout in layouts):
        return None
    own = next((layout for layout in layouts if layout.has_own_format), None)
    own_format = format_of(own, None) if own else None
    with (
        closing(HashedStream(opened())) as stream,
        closing(Text(name, stream, dataset.encoding, own_format=own_format)) as text,
    ):
        beginning = Content(text).peek()
        header = read_header(dataset, beginning, name, text.format, layouts)
        clues = Clues(
            dataset.name,
            usual=header.layout.usual_order,
            declared=date_order_in(name) or header.layout.date_order,
            name=name,
            is_spreadsheet=text.has_cells,
        )
        usual = replace(header.dialect, date_order=header.layout.usual_order)
        reading = Reading(replace(header, dialect=usual), clues, decimal_mark_in(name))
        dialect, _ = reading.guess(beginning[header.size :])
        return Glance(header, dialect.date_order, dialect.date_evidence)


def check_header(storage: Storage, file: StoredFile, dataset: Dataset, layouts: tuple[Layout, ...] = ()) -> None:
    """Check that a file has a header of its dataset. A file that holds several tables is not read.

    Arguments:
        storage: where the file is.
        file: the file, as listed.
        dataset: the dataset that it is.
        layouts: the layouts that it may have; those of its name, where there are none.

    Raises:
        FileRefusedError: it cannot be read, or its header is not accepted.
        ForeignFileError: its header has nothing in common with the dataset.

    """
    glance(file.name, lambda: storage.open(file), dataset, layouts)
