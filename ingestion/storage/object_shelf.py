"""A place for reports in an object store."""

from pathlib import Path

from ingestion.storage.faults import Patience
from ingestion.storage.objects import Connection


class ObjectShelf:
    """A bucket or container, or a prefix in one.

    Arguments:
        connection: the connection to it.
        timeout_seconds: how long it may fail without progress.

    """

    def __init__(self, connection: Connection, timeout_seconds: float) -> None:
        self._store = connection.store
        self._connection = connection
        self._patience = Patience(connection.place, timeout_seconds)

    @property
    def place(self) -> str:
        return self._connection.place.url

    def put(self, name: str, path: Path) -> None:
        content = path.read_bytes()
        attributes = {"Content-Type": "text/html; charset=utf-8"} if name.endswith(".html") else None
        self._patience.retry(lambda: self._store.put(name, content, attributes=attributes, use_multipart=False))

    def names(self) -> list[str]:
        listed = self._patience.retry(lambda: self._store.list_with_delimiter(None))
        return sorted(meta["path"] for meta in listed["objects"])

    def holds(self, name: str) -> bool:
        def is_there() -> bool:
            try:
                self._store.head(name)
            except FileNotFoundError:
                return False
            return True

        return self._patience.retry(is_there)

    def read(self, name: str) -> bytes | None:
        def content() -> bytes | None:
            try:
                return bytes(self._store.get(name).bytes())
            except FileNotFoundError:
                return None

        return self._patience.retry(content)

    def remove(self, name: str) -> None:
        def gone() -> None:
            try:
                self._store.delete(name)
            except FileNotFoundError:
                return

        self._patience.retry(gone)
