"""Look at the header of a file without loading it."""

from contextlib import closing

from ingestion.formats import Text, format_of
from ingestion.load.content import Content
from ingestion.load.header import layouts_of, read_header
from ingestion.load.stream import HashedStream
from ingestion.sources import Dataset, Layout
from ingestion.storage import Storage, StoredFile


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
    layouts = layouts or layouts_of(dataset, file.name)
    if any(layout.table for layout in layouts):
        return
    own = next((layout for layout in layouts if layout.rows is not None), None)
    own_format = format_of(own, None) if own else None
    with (
        closing(HashedStream(storage.open(file))) as stream,
        closing(Text(file.name, stream, dataset.encoding, own_format=own_format)) as text,
    ):
        read_header(dataset, Content(text).peek(), file.name, text.format, layouts)
