"""ops.file_claims: which files are being loaded now, and by which run.

The advisory lock of a file (`manifest.claim`) keeps two workers from loading it, but has no readable name. The records
here give it one. They are written on a connection of their own, to be visible before the load ends, and count only
while the lock is held.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg2
from sqlalchemy import Engine

from ingestion import db, log, manifest

_RECORD_AFTER_SECONDS = 0.2
_queries = db.queries("claims")


@dataclass(frozen=True)
class Claim:
    """A file that is being loaded.

    Arguments:
        target_schema: the schema of the raw tables.
        dataset: the name of its dataset.
        filename: its name in the landing zone.
        run_id: the run that loads it.
        claimed_at: when the load began.

    """

    target_schema: str
    dataset: str
    filename: str
    run_id: str
    claimed_at: datetime


class ClaimRecorder:
    """Records which files a run is loading. A failure to record does not stop the load.

    A file that is loaded within 0.2 seconds is not recorded.

    Arguments:
        connection: an autocommit session that nothing else uses.
        run_id: the run.

    """

    def __init__(self, connection: db.Connection, run_id: UUID) -> None:
        self._connection = connection
        self._run_id = str(run_id)
        self._loading: dict[tuple[str, str, str], float] = {}
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._record_all, name="claims", daemon=True)
        self._thread.start()

    @contextmanager
    def loading(self, target_schema: str, dataset: str, filename: str) -> Iterator[None]:
        """Record that a file is being loaded, for the length of the block. Any thread may call it."""
        claim = (target_schema, dataset, filename)
        self._loading[claim] = time.monotonic()
        try:
            yield
        finally:
            self._loading.pop(claim, None)

    def close(self) -> None:
        """Delete the records of this run, and those that runs which have ended left behind."""
        self._is_closed.set()
        self._thread.join()
        self._write(lambda: _queries.delete_claims(self._connection, run_id=self._run_id))

    def _record_all(self) -> None:
        recorded: set[tuple[tuple[str, str, str], float]] = set()
        while not self._is_closed.wait(_RECORD_AFTER_SECONDS):
            for claim, since in self._loading.copy().items():
                if time.monotonic() - since > _RECORD_AFTER_SECONDS and (claim, since) not in recorded:
                    recorded.add((claim, since))
                    self._record(*claim)

    def _record(self, target_schema: str, dataset: str, filename: str) -> None:
        self._write(
            lambda: _queries.record_claim(
                self._connection,
                target_schema=target_schema,
                dataset=dataset,
                source_filename=filename,
                run_id=self._run_id,
            )
        )

    def _write(self, write: Callable[[], object]) -> None:
        if not self._connection.closed:
            try:
                write()
            except psycopg2.Error as exc:
                log.event(
                    f"cannot record which files are being loaded ({type(exc).__name__}); the load continues",
                    level=log.WARNING,
                )


@contextmanager
def recorded(engine: Engine, run_id: UUID, role: str | None) -> Iterator[ClaimRecorder]:
    """Record claims for the length of the block, and delete the records at its end.

    Arguments:
        engine: a migrated database.
        run_id: the run that loads the files.
        role: the role that writes the records, None for the login role.

    """
    with db.session(engine, role=role) as connection:
        with connection.cursor() as cursor:
            # the records are of no use after a crash of the server, so no load waits for the disk
            cursor.execute("set synchronous_commit = off")
        recorder = ClaimRecorder(connection, run_id)
        try:
            yield recorder
        finally:
            recorder.close()


def claims(connection: db.Connection) -> list[Claim]:
    """Return the files that are being loaded now, the oldest claim first.

    Arguments:
        connection: any connection of a role that may read ops.

    """
    if not _queries.claims_exist(connection):
        return []
    found = [
        Claim(row.target_schema, row.source, row.source_filename, row.run_id, row.claimed_at)
        for row in _queries.claims(connection)
    ]
    names = {claim: manifest.claim_name(claim.target_schema, claim.dataset, claim.filename) for claim in found}
    held = db.held_locks(connection, names.values())
    return [claim for claim in found if names[claim] in held]
