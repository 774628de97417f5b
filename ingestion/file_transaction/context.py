"""What all transactions of an ingest need."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from uuid import UUID

from ingestion import db, manifest
from ingestion.claims import ClaimRecorder
from ingestion.file_transaction.date_orders import DateOrders
from ingestion.file_transaction.files import Due, KnownContent
from ingestion.manifest import Asked, Known
from ingestion.retraction import Tombstones
from ingestion.storage import Storage


@dataclass(frozen=True)
class Context:
    """What all transactions of an ingest need.

    Arguments:
        storage: the landing zone.
        schema: the schema of the raw tables.
        run_id: the run that is recorded.
        tombstones: the erased participants, whose rows are not loaded.
        force: load a file whose bytes are loaded under the same name.
        stop: set to end the loads in progress.
        claims: records which files are being loaded, for `status`; None in a dry run.
        date_orders: the evidence that loaded files are for others.

    """

    storage: Storage
    schema: str
    run_id: UUID
    tombstones: Tombstones
    force: bool
    stop: threading.Event
    date_orders: DateOrders
    claims: ClaimRecorder | None = None

    def recorded_claims(self, files: Sequence[Due]) -> AbstractContextManager[None]:
        """Record that files are being loaded, for the length of the block.

        Arguments:
            files: the files.

        """
        return self.claims.loading(self.schema, [due.key for due in files]) if self.claims else nullcontext()

    def look_up(self, connection: db.Connection, files: Sequence[Asked]) -> list[Known]:
        """Return what decides about files, and take note of who was erased since the run began.

        Arguments:
            connection: in a transaction.
            files: the files.

        """
        known = manifest.look_up(connection, self.schema, files, known_erased=self.tombstones.digest)
        if known:
            self.tombstones.update(known[0].erased, known[0].erased_digest)
        return known

    def known_content(self, due: Due, known: Known, checksum: str | None) -> KnownContent | None:
        """Return what is known of a file's bytes, if they are not to be loaded again.

        Arguments:
            due: the file.
            known: what the manifest has.
            checksum: of its bytes; None where they are not known yet.

        """
        if checksum is None:
            return None
        if known.original:
            has_own_name = known.original.filename == due.file.name
            # also where it is loaded again: another process may have done so since the manifest was read
            is_as_known = due.known is not None and due.known.file_id == known.original.file_id
            if not (self.force and has_own_name and is_as_known):
                return KnownContent(known.original, checksum)
        if known.is_retracted and not self.force:
            return KnownContent(None, checksum)
        return None
