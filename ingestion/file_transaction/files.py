"""What a file transaction is given, and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass

from ingestion.errors import FileRefusedError
from ingestion.manifest import Asked, Entry, LoadedFile, Original
from ingestion.results import FileResult
from ingestion.sources import Dataset, Layout
from ingestion.storage import StoredFile


@dataclass(frozen=True)
class Due:
    """A file to load.

    Arguments:
        file: the file, as listed.
        dataset: its dataset.
        layouts: the layouts that it may have; those of its name, where there are none.
        known: what the manifest had under its name when it was read.
        checksum: SHA-256 of its bytes in hexadecimal, where they were read already.

    """

    file: StoredFile
    dataset: Dataset
    layouts: tuple[Layout, ...] = ()
    known: LoadedFile | None = None
    checksum: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The name of its dataset, and its own."""
        return self.dataset.name, self.file.name

    def asked(self, checksum: str | None) -> Asked:
        """Return the file as the manifest is asked for it.

        Arguments:
            checksum: of its bytes.

        """
        return Asked.of(*self.key, checksum)

    def entry(self, schema: str, checksum: str) -> Entry:
        """Return what identifies the file and its bytes in the manifest.

        Arguments:
            schema: the schema of the raw tables.
            checksum: of its bytes.

        """
        version = self.file.version if self.file.is_strong else None
        return Entry(schema, *self.key, checksum, self.file.size, version)


@dataclass(frozen=True)
class KnownContent:
    """The bytes of a file are not to be loaded: they are loaded already for this participant, or were retracted.

    Arguments:
        original: the loaded file that has them; None if they were retracted.
        checksum: their SHA-256 in hexadecimal.

    """

    original: Original | None
    checksum: str


class UndoneError(Exception):
    """Some files of a transaction are not to be loaded after all: it has to be rolled back.

    Arguments:
        outcomes: what has happened to them, by their place among the files.

    """

    def __init__(self, outcomes: Mapping[int, "Outcome"]) -> None:
        super().__init__(f"{len(outcomes)} files have changed, or their contents are loaded by now")
        self.outcomes = outcomes


Outcome = FileResult | KnownContent | FileRefusedError
