"""The file transaction: a file's rows and its row in the manifest are committed together, or neither is.

A full reload (see `ingest`) loads all files of a dataset in one such transaction, after it has emptied the table.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Self
from uuid import UUID

from psycopg2.sql import SQL, Identifier
from sqlalchemy import Engine

from ingestion import db, log, manifest, quarantine
from ingestion.claims import ClaimRecorder
from ingestion.errors import FileRefusedError
from ingestion.load import FileToLoad, load
from ingestion.load.progress import OnChunk, watch
from ingestion.load.stream import checksum_of
from ingestion.manifest import Entry, LoadedFile, Original
from ingestion.results import Counts, FileResult, FileStatus
from ingestion.retraction import Tombstones
from ingestion.sources import Dataset
from ingestion.storage import Storage, StoredFile
from ingestion.workers import StoppedError


class DuplicateError(Exception):
    """The same bytes are loaded already.

    Arguments:
        original: the loaded file that has them.
        checksum: their SHA-256 in hexadecimal.

    """

    def __init__(self, original: Original, checksum: str) -> None:
        super().__init__(original.filename)
        self.original = original
        self.checksum = checksum


class Transactions:
    """The transactions of an ingest: each committed on its own, or, in a dry run, all rolled back at the end.

    Arguments:
        engine: a migrated database.
        role: the role to load as, None for the login role.
        dry_run: make each transaction a savepoint of a single one, and roll that one back.

    """

    def __init__(self, engine: Engine, role: str | None, *, dry_run: bool) -> None:
        self._sessions = db.Sessions(engine, role)
        self._dry_run = dry_run
        self._only_connection: db.Connection | None = None

    @contextmanager
    def opened(self) -> Iterator[Self]:
        """Keep connections open for the length of the block."""
        try:
            if self._dry_run:
                with self._sessions.transaction() as self._only_connection:
                    try:
                        yield self
                    finally:
                        self._only_connection.rollback()
            else:
                yield self
        finally:
            self._sessions.close()

    @contextmanager
    def begin(self) -> Iterator[db.Connection]:
        """Run the block in a transaction: committed at its end, rolled back by any exception."""
        if self._only_connection is None:
            with self._sessions.transaction() as connection:
                yield connection
        else:
            with db.savepoint(self._only_connection):
                yield self._only_connection


@dataclass(frozen=True)
class FileLoader:
    """Loads and records single files. Several threads may use it at the same time.

    Arguments:
        transactions: where each file's transaction comes from.
        storage: the landing zone.
        schema: the schema of the raw tables.
        run_id: the run that is recorded.
        tombstones: the erased participants, whose rows are not loaded.
        force: load a file whose bytes are loaded under the same name.
        stop: set to end the loads in progress.
        claims: records which files are being loaded, for `status`; None in a dry run.

    """

    transactions: Transactions
    storage: Storage
    schema: str
    run_id: UUID
    tombstones: Tombstones
    force: bool
    stop: threading.Event
    claims: ClaimRecorder | None = None

    def load_claimed(self, file: StoredFile, dataset: Dataset, known: LoadedFile | None) -> FileResult:
        """Claim a file and load it in one transaction, unless another process has claimed or loaded it.

        Arguments:
            file: the file, as listed.
            dataset: its dataset.
            known: what the manifest had under its name when it was read.

        Raises:
            FileRefusedError: the file as a whole cannot be loaded.
            DuplicateError: its bytes are loaded under another name.

        """
        with self.transactions.begin() as connection:
            if not manifest.claim(connection, self.schema, dataset.name, file.name):
                return FileResult(file.name, dataset.name, "claimed", reason="another worker is loading it")
            if self._was_loaded_meanwhile(connection, file, dataset, known):
                return FileResult(file.name, dataset.name, "skipped")
            with self._recorded_claim(file, dataset):
                return self.load(connection, file, dataset)

    def load(self, connection: db.Connection, file: StoredFile, dataset: Dataset) -> FileResult:
        """Load a file and record it in the caller's transaction.

        Arguments:
            connection: in a transaction.
            file: the file, as listed.
            dataset: its dataset.

        Raises:
            FileRefusedError: the file as a whole cannot be loaded.
            DuplicateError: its bytes are loaded under another name.

        """
        with watch(file.name, file.size) as on_chunk:
            file_id = manifest.next_file_id(connection)
            work = FileToLoad(
                self.storage,
                file,
                dataset,
                self.schema,
                self._stoppable(on_chunk),
                partial(manifest.certain_date_orders, connection, self.schema, dataset.name, file.name),
            )
            loaded = load(connection, work, file_id, self.run_id)
        # from here to the commit no other transaction can load the same bytes or the same name
        manifest.lock(connection, self.schema, dataset.name)
        if not self.storage.is_unchanged(file):
            raise FileRefusedError(
                "it changed while it was read", hint="Nothing of it was loaded. The next run loads it."
            )
        self._refuse_duplicate(connection, file, dataset, loaded.checksum)
        counts = self._without_erased(connection, dataset, file, file_id, loaded.counts)
        status: FileStatus = "replaced" if self._delete_older(connection, file, dataset) else "loaded"
        entry = self._entry(file, dataset, loaded.checksum)
        manifest.record_loaded(
            connection,
            file_id,
            entry,
            counts,
            self.run_id,
            header=loaded.header,
            dialect=loaded.dialect,
            remarks=loaded.remarks,
        )
        faults = tuple(quarantine.faults(connection, file_id)) if counts.rejected else ()
        return FileResult(
            file.name,
            dataset.name,
            status,
            counts=counts,
            extra=loaded.extra,
            remarks=loaded.remarks,
            faults=faults,
            checksum=loaded.checksum,
        )

    def find_original(self, dataset: Dataset, checksum: str) -> Original | None:
        """Return the loaded file with these bytes, as the manifest has it now.

        Arguments:
            dataset: the dataset.
            checksum: SHA-256 of the bytes in hexadecimal.

        """
        with self.transactions.begin() as connection:
            return manifest.find_checksum(connection, self.schema, dataset.name, checksum)

    def record_duplicate(self, file: StoredFile, dataset: Dataset, original: Original, checksum: str) -> None:
        """Record a file whose bytes are loaded under another name, and delete the rows of its older content.

        Arguments:
            file: the file, as listed.
            dataset: its dataset.
            original: the loaded file with the same bytes.
            checksum: their SHA-256 in hexadecimal.

        """
        with self.transactions.begin() as connection:
            manifest.lock(connection, self.schema, dataset.name)
            self._delete_older(connection, file, dataset)
            entry = self._entry(file, dataset, checksum)
            manifest.record_not_loaded(connection, entry, "duplicate", self.run_id, duplicate_of=original.file_id)

    def record_refused(self, file: StoredFile, dataset: Dataset, reason: str | None) -> None:
        """Record a refused file, if its bytes can be read.

        Arguments:
            file: the file, as listed.
            dataset: its dataset.
            reason: why it was refused.

        """
        try:
            entry = self._entry(file, dataset, checksum_of(self.storage, file))
        except FileRefusedError:
            log.event(f"{file.name} cannot be read, so the manifest does not record it", file=file.name)
            return
        with self.transactions.begin() as connection:
            manifest.record_not_loaded(connection, entry, "refused", self.run_id, reason=reason)

    def _recorded_claim(self, file: StoredFile, dataset: Dataset) -> AbstractContextManager[None]:
        return self.claims.loading(self.schema, dataset.name, file.name) if self.claims else nullcontext()

    def _was_loaded_meanwhile(
        self, connection: db.Connection, file: StoredFile, dataset: Dataset, known: LoadedFile | None
    ) -> bool:
        """Return whether another process has loaded these very bytes since the manifest was read."""
        file_id = manifest.find_name(connection, self.schema, dataset.name, file.name)
        if file_id is None or (known and file_id == known.file_id):
            return False
        original = manifest.find_checksum(connection, self.schema, dataset.name, checksum_of(self.storage, file))
        return original is not None and original.filename == file.name

    def _refuse_duplicate(self, connection: db.Connection, file: StoredFile, dataset: Dataset, checksum: str) -> None:
        original = manifest.find_checksum(connection, self.schema, dataset.name, checksum)
        if original and not (self.force and original.filename == file.name):
            raise DuplicateError(original, checksum)

    def _without_erased(
        self, connection: db.Connection, dataset: Dataset, file: StoredFile, file_id: int, counts: Counts
    ) -> Counts:
        """Delete the rows of erased participants, and return the counts without them."""
        erased = self.tombstones.delete_erased(connection, self.schema, dataset.name, file_id, file.name)
        return replace(
            counts,
            loaded=counts.loaded - erased.from_raw,
            rejected=counts.rejected - erased.from_quarantine,
            erased=erased.from_raw + erased.from_quarantine,
        )

    def _delete_older(self, connection: db.Connection, file: StoredFile, dataset: Dataset) -> bool:
        """Delete the rows of an older content of this name. Return whether there was one."""
        older = manifest.find_name(connection, self.schema, dataset.name, file.name)
        if older is None:
            return False
        with connection.cursor() as cursor:
            cursor.execute(
                SQL("delete from {} where _file_id = %s").format(Identifier(self.schema, dataset.name)), (older,)
            )
        manifest.mark_replaced(connection, older)
        return True

    def _entry(self, file: StoredFile, dataset: Dataset, checksum: str) -> Entry:
        version = file.version if file.is_strong else None
        return Entry(self.schema, dataset.name, file.name, checksum, file.size, version)

    def _stoppable(self, on_chunk: OnChunk) -> OnChunk:
        """Return a callback that ends the load once `stop` is set."""

        def advance(size: int, lines: int) -> None:
            if self.stop.is_set():
                raise StoppedError
            on_chunk(size, lines)

        return advance
