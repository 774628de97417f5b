"""ops.file_claims: which files are being loaded right now, and by which run, for others to see.

What keeps two workers from one file is its advisory lock (`manifest.claim`), which has no name that could be read. The
notes give it one: on a connection of their own, so that they are seen before the load ends. They are believed only
where the lock is held.
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

_MOMENT_SECONDS = 0.2
_queries = db.queries("claims")


@dataclass(frozen=True)
class Claim:
    """A file that is being loaded.

    Arguments:
        target_schema: the schema of the raw tables.
        dataset: its dataset.
        filename: its name in the landing zone.
        run_id: the run that loads it.
        claimed_at: since when.

    """

    target_schema: str
    dataset: str
    filename: str
    run_id: str
    claimed_at: datetime


class Notes:
    """What one run notes of its claims. Whatever becomes of them, the load goes on.

    A file that is loaded in a moment is not noted, and costs nothing.

    Arguments:
        connection: an autocommit session of their own.
        run_id: the run.

    """

    def __init__(self, connection: db.Connection, run_id: UUID) -> None:
        self._connection = connection
        self._run_id = str(run_id)
        self._loading: dict[tuple[str, str, str], float] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="claims", daemon=True)
        self._thread.start()

    @contextmanager
    def loading(self, target_schema: str, dataset: str, filename: str) -> Iterator[None]:
        """Note that a file is being loaded, as long as the block lasts; any thread may call it."""
        claim = (target_schema, dataset, filename)
        self._loading[claim] = time.monotonic()
        try:
            yield
        finally:
            self._loading.pop(claim, None)

    def close(self) -> None:
        """Take out the notes of this run, and those of runs that have ended without doing so."""
        self._is_over.set()
        self._thread.join()
        self._write(lambda: _queries.forget(self._connection, run_id=self._run_id))

    def _keep(self) -> None:
        noted: set[tuple[tuple[str, str, str], float]] = set()
        while not self._is_over.wait(_MOMENT_SECONDS):
            for claim, since in self._loading.copy().items():
                if time.monotonic() - since > _MOMENT_SECONDS and (claim, since) not in noted:
                    noted.add((claim, since))
                    self._note(*claim)

    def _note(self, target_schema: str, dataset: str, filename: str) -> None:
        self._write(
            lambda: _queries.note(
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
                log.event(f"claims are not noted: {type(exc).__name__}", level=log.WARNING)


@contextmanager
def noted(engine: Engine, run_id: UUID, role: str | None) -> Iterator[Notes]:
    """Yield notes that are gone when the block ends.

    Arguments:
        engine: a migrated database.
        run_id: the run that claims.
        role: the role that writes them.

    """
    with db.session(engine, role=role) as connection:
        with connection.cursor() as cursor:
            # nobody needs them after a crash of the server, nor waits for them
            cursor.execute("set synchronous_commit = off")
        notes = Notes(connection, run_id)
        try:
            yield notes
        finally:
            notes.close()


def claims(connection: db.Connection) -> list[Claim]:
    """Return the files that are being loaded at this moment, the oldest claim first.

    Arguments:
        connection: any, of a role that may read ops.

    """
    if not _queries.claims_exist(connection):
        return []
    found = [Claim(*row) for row in _queries.claims(connection)]
    names = {claim: manifest.claim_name(claim.target_schema, claim.dataset, claim.filename) for claim in found}
    held = db.held_locks(connection, names.values())
    return [claim for claim in found if names[claim] in held]
