"""The orders of dates that files left no doubt about, as evidence for files beside them."""

from collections.abc import Iterator

from ingestion import db, manifest
from ingestion.sources import Dataset, DateOrder, folder_of_participant
from ingestion.storage import StoredFile


class DateOrders:
    """The orders of dates that loaded files left no doubt about, as evidence for files beside them.

    What the manifest has is read once for each dataset; a run adds what it loads. Several threads may use it at the
    same time.

    Arguments:
        schema: the schema of the raw tables.

    """

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._read: set[str] = set()
        self._found: dict[tuple[str, str], frozenset[DateOrder]] = {}

    def beside(self, connection: db.Connection, dataset: Dataset, file: StoredFile) -> frozenset[DateOrder]:
        """Return the orders in files of the same participant, or else of the same folder.

        Arguments:
            connection: any connection.
            dataset: the file's dataset.
            file: the file.

        """
        if dataset.name not in self._read:
            # a failure here is that of one file, and leaves the transaction usable
            with db.savepoint(connection):
                for folder, order in manifest.certain_date_orders(connection, self._schema, dataset.name):
                    self.add(dataset, folder, order)
            self._read.add(dataset.name)
        return self.known(dataset, file)

    def known(self, dataset: Dataset, file: StoredFile) -> frozenset[DateOrder]:
        """Return what `beside` returns, without what the manifest has.

        Arguments:
            dataset: the file's dataset.
            file: the file.

        """
        return self._found.get((dataset.name, folder_of_participant(file.name)), frozenset())

    def add(self, dataset: Dataset, folder: str, order: DateOrder) -> None:
        """Add the order of files that left no doubt.

        Arguments:
            dataset: their dataset.
            folder: their folder, with a slash at its end; "" for the landing zone.
            order: the order of their dates.

        """
        for each in _with_parents(folder):
            key = dataset.name, each
            self._found[key] = self._found.get(key, frozenset()) | {order}


class DraftOrders:
    """The evidence that a transaction has: that of earlier files, and that of its own.

    Arguments:
        earlier: the evidence of earlier files.
        schema: the schema of the raw tables.

    """

    def __init__(self, earlier: DateOrders, schema: str) -> None:
        self._earlier = earlier
        self._own = DateOrders(schema)
        self._new: list[tuple[Dataset, str, DateOrder]] = []

    def beside(self, connection: db.Connection, dataset: Dataset, file: StoredFile) -> frozenset[DateOrder]:
        """Return the orders in files of the same participant, or else of the same folder.

        Arguments:
            connection: any connection.
            dataset: the file's dataset.
            file: the file.

        """
        return self._earlier.beside(connection, dataset, file) | self._own.known(dataset, file)

    def add(self, dataset: Dataset, file: StoredFile, order: DateOrder) -> None:
        """Add the order of a file that left no doubt.

        Arguments:
            dataset: the file's dataset.
            file: the file.
            order: the order of its dates.

        """
        new = dataset, file.name[: file.name.rfind("/") + 1], order
        self._new.append(new)
        self._own.add(*new)

    def commit(self) -> None:
        """Add the files of the transaction to the evidence for later ones."""
        for each in self._new:
            self._earlier.add(*each)


def _with_parents(folder: str) -> Iterator[str]:
    """Yield a folder and all folders that it is in; "" is the landing zone."""
    while folder:
        yield folder
        folder = folder[: folder.rfind("/", 0, -1) + 1]
    yield ""
