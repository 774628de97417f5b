"""The file transaction: a file's rows and its row in the manifest are committed together, or neither is.

A full reload (see `ingest`) loads all files of a dataset in one such transaction, after it has emptied the table.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Self
from uuid import UUID

from psycopg2.sql import SQL, Identifier
from sqlalchemy import Engine

from ingestion import db, log, manifest, quarantine
from ingestion.claims import ClaimRecorder
from ingestion.containment import contained
from ingestion.errors import FileRefusedError
from ingestion.load import FileToLoad, load
from ingestion.load.progress import OnChunk, watch
from ingestion.load.stream import checksum_of
from ingestion.manifest import Entry, LoadedFile, Original
from ingestion.results import Counts, FileResult, FileStatus
from ingestion.retraction import Tombstones
from ingestion.sources import Dataset, DateOrder, Layout, folder_of_participant, part_in, person_in
from ingestion.storage import Storage, StoredFile
from ingestion.twins import twin_remarks
from ingestion.workers import StoppedError


class KnownContentError(Exception):
    """These bytes are not to be loaded: they are loaded already for this participant, or were retracted.

    Arguments:
        original: the loaded file that has them; None if they were retracted.
        checksum: their SHA-256 in hexadecimal.

    """

    def __init__(self, original: Original | None, checksum: str) -> None:
        super().__init__(original.filename if original else "retracted")
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


class DateOrders:
    """The orders of dates that loaded files left no doubt about, as evidence for files beside them.

    What the manifest has is read once for each dataset and folder; a run adds what it loads. Several threads may use it
    at the same time.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], frozenset[DateOrder]] = {}

    def beside(
        self, connection: db.Connection, schema: str, dataset: Dataset, file: StoredFile
    ) -> frozenset[DateOrder]:
        """Return the orders in files of the same participant, or else of the same folder.

        Arguments:
            connection: any connection.
            schema: the schema of the raw tables.
            dataset: the file's dataset.
            file: the file.

        """
        key = schema, dataset.name, folder_of_participant(file.name)
        if key not in self._found:
            self._found[key] = manifest.certain_date_orders(connection, *key)
        return self._found[key]

    def add(self, schema: str, dataset: Dataset, file: StoredFile, order: DateOrder) -> None:
        """Add the order of a file that left no doubt. Before `beside`, the manifest has it."""
        key = schema, dataset.name, folder_of_participant(file.name)
        if key in self._found:
            self._found[key] |= {order}


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
        date_orders: the evidence that loaded files are for others.

    """

    transactions: Transactions
    storage: Storage
    schema: str
    run_id: UUID
    tombstones: Tombstones
    force: bool
    stop: threading.Event
    claims: ClaimRecorder | None = None
    date_orders: DateOrders = field(default_factory=DateOrders)

    def load_claimed(
        self, file: StoredFile, dataset: Dataset, known: LoadedFile | None, layouts: tuple[Layout, ...] = ()
    ) -> FileResult:
        """Claim a file and load it in one transaction, unless another process has claimed or loaded it.

        Arguments:
            file: the file, as listed.
            dataset: its dataset.
            known: what the manifest had under its name when it was read.
            layouts: the layouts that it may have; those of its name, where there are none.

        Raises:
            FileRefusedError: the file as a whole cannot be loaded.
            KnownContentError: its bytes are loaded under another name, or were retracted.

        """
        with self.transactions.begin() as connection:
            if not manifest.claim(connection, self.schema, dataset.name, file.name):
                return FileResult(file.name, dataset.name, "claimed", reason="another worker is loading it")
            if self._was_loaded_meanwhile(connection, file, dataset, known):
                return FileResult(file.name, dataset.name, "skipped")
            with self._recorded_claim(file, dataset):
                return self.load(connection, file, dataset, layouts)

    def load(
        self, connection: db.Connection, file: StoredFile, dataset: Dataset, layouts: tuple[Layout, ...] = ()
    ) -> FileResult:
        """Load a file and record it in the caller's transaction.

        Arguments:
            connection: in a transaction.
            file: the file, as listed.
            dataset: its dataset.
            layouts: the layouts that it may have; those of its name, where there are none.

        Raises:
            FileRefusedError: the file as a whole cannot be loaded.
            KnownContentError: its bytes are loaded under another name, or were retracted.

        """
        manifest.check_name(file.name)
        with watch(file.name, file.size) as on_chunk:
            file_id = manifest.next_file_id(connection)
            work = FileToLoad(
                self.storage,
                file,
                dataset,
                self.schema,
                self._stoppable(on_chunk),
                partial(self.date_orders.beside, connection, self.schema, dataset, file),
                layouts,
            )
            loaded = load(connection, work, file_id, self.run_id)
        # before the lock, because it may read the file again
        is_one_state = self.storage.confirms(file, loaded.checksum)
        # from here to the commit no other transaction can load the same bytes or the same name, retract or erase
        manifest.lock(connection, self.schema, dataset.name)
        if not is_one_state or not self.storage.is_unchanged(file):
            raise FileRefusedError(
                "it changed while it was read", hint="Nothing of it was loaded. The next run loads it."
            )
        known = self._check_content(connection, file, dataset, loaded.checksum)
        counts = self._without_erased(connection, dataset, file, file_id, loaded.counts)
        self._delete_older(connection, dataset, known.older_id)
        status: FileStatus = "loaded" if known.older_id is None else "replaced"
        entry = self._entry(file, dataset, loaded.checksum)
        if loaded.certain_order:
            self.date_orders.add(self.schema, dataset, file, loaded.certain_order)
        twin = twin_remarks(known.twin, counts.filled) if known.twin else ()
        remarks = (*loaded.remarks, *twin)
        manifest.record_loaded(
            connection,
            file_id,
            entry,
            counts,
            self.run_id,
            header=loaded.header,
            dialect=loaded.dialect,
            remarks=remarks,
            device=loaded.device,
        )
        faults = tuple(quarantine.faults(connection, file_id)) if counts.rejected else ()
        return FileResult(
            file.name,
            dataset.name,
            status,
            counts=counts,
            extra=loaded.extra,
            remarks=remarks,
            faults=faults,
            checksum=loaded.checksum,
        )

    def find_original(self, dataset: Dataset, checksum: str, name: str) -> Original | None:
        """Return the loaded file with these bytes that a file of this name would duplicate, as the manifest has it now.

        Arguments:
            dataset: the dataset.
            checksum: SHA-256 of the bytes in hexadecimal.
            name: the file's name in the landing zone.

        """
        with self.transactions.begin() as connection:
            return self._original(connection, dataset, checksum, name)

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
            older = manifest.find_name(connection, self.schema, dataset.name, file.name)
            self._delete_older(connection, dataset, older)
            entry = self._entry(file, dataset, checksum)
            manifest.record_not_loaded(connection, entry, "duplicate", self.run_id, duplicate_of=original.file_id)

    def record_refused(self, file: StoredFile, dataset: Dataset, reason: str | None) -> None:
        """Record a refused file, if its bytes can be read and the manifest can hold its name.

        Arguments:
            file: the file, as listed.
            dataset: its dataset.
            reason: why it was refused.

        """
        try:
            with contained(file.name):
                manifest.check_name(file.name)
                entry = self._entry(file, dataset, checksum_of(self.storage, file))
                with self.transactions.begin() as connection:
                    manifest.record_not_loaded(connection, entry, "refused", self.run_id, reason=reason)
        except FileRefusedError as exc:
            log.event(f"the manifest does not record {file.name}: {exc}", file=file.name)

    def _recorded_claim(self, file: StoredFile, dataset: Dataset) -> AbstractContextManager[None]:
        return self.claims.loading(self.schema, dataset.name, file.name) if self.claims else nullcontext()

    def _was_loaded_meanwhile(
        self, connection: db.Connection, file: StoredFile, dataset: Dataset, known: LoadedFile | None
    ) -> bool:
        """Return whether another process has loaded these very bytes since the manifest was read."""
        file_id = manifest.find_name(connection, self.schema, dataset.name, file.name)
        if file_id is None or (known and file_id == known.file_id):
            return False
        checksum = checksum_of(self.storage, file)
        original = self._original(connection, dataset, checksum, file.name)
        return original is not None and original.filename == file.name

    def _original(self, connection: db.Connection, dataset: Dataset, checksum: str, name: str) -> Original | None:
        part = part_in(dataset.name, name)
        return manifest.find_checksum(connection, self.schema, dataset.name, checksum, person_in(name), part=part)

    def _check_content(
        self, connection: db.Connection, file: StoredFile, dataset: Dataset, checksum: str
    ) -> manifest.Known:
        """Refuse content that is loaded or retracted, as of now. Return what is known of it and of the name."""
        known = manifest.look_up(
            connection, self.schema, dataset.name, file.name, checksum, known_erased=self.tombstones.digest
        )
        self.tombstones.update(known.erased, known.erased_digest)
        if known.original and not (self.force and known.original.filename == file.name):
            raise KnownContentError(known.original, checksum)
        if known.is_retracted and not self.force:
            raise KnownContentError(None, checksum)
        return known

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

    def _delete_older(self, connection: db.Connection, dataset: Dataset, older: int | None) -> None:
        """Delete the rows of an older content, if there is one."""
        if older is None:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                SQL("delete from {} where _file_id = %s").format(Identifier(self.schema, dataset.name)), (older,)
            )
        manifest.mark_replaced(connection, older)

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
