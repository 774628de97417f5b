"""Look at the header of a file without loading it."""

from contextlib import closing

from ingestion.formats import Text
from ingestion.load.content import Content
from ingestion.load.header import read_header
from ingestion.load.stream import HashedStream
from ingestion.sources import Dataset
from ingestion.storage import Storage, StoredFile


def check_header(storage: Storage, file: StoredFile, dataset: Dataset) -> None:
    """Check that a file has a header of its dataset. A file that holds several tables is not read.

    Arguments:
        storage: where the file is.
        file: the file, as listed.
        dataset: the dataset that it is named after.

    Raises:
        FileRefusedError: it cannot be read, or its header is not accepted.
        ForeignFileError: its header has nothing in common with the dataset.

    """
    if any(layout.table for layout in dataset.layouts_for(file.name.rpartition("/")[2])):
        return
    with (
        closing(HashedStream(storage.open(file))) as stream,
        closing(Text(file.name, stream, dataset.encoding)) as text,
    ):
        read_header(dataset, Content(text).peek(), file.name, text.format)
