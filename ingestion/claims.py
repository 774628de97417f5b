"""ops.file_claims: which files are being loaded now, and by which run.

The advisory lock of a file (`manifest.reserve`) keeps two workers from loading it, but has no readable name. The
records here give it one. They are written on a connection of their own, so that others see them before the load ends.
They count only while the lock is held.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg2

from ingestion import db, log, manifest
from ingestion.errors import PipelineError

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

    Files that are loaded within 0.2 seconds are not recorded. A run in which no load takes longer opens no connection.

    Arguments:
        engine: a migrated database.
        run_id: the run.
        role: the role that writes the records, None for the login role.

    """

    def __init__(self, engine: db.Engine, run_id: UUID, role: str | None) -> None:
        self._engine = engine
        self._run_id = str(run_id)
        self._role = role
        self._loading: dict[tuple[tuple[str, str, str], ...], float] = {}
        self._is_closed = threading.Event()
        self._resources = ExitStack()
        self._connection: db.Connection | None = None
        self._thread = threading.Thread(target=self._record_all, name="claims", daemon=True)
        self._thread.start()

    @contextmanager
    def loading(self, target_schema: str, files: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Record that files are being loaded, for the length of the block. Any thread may call it.

        Arguments:
            target_schema: the schema of the raw tables.
            files: the dataset and the name of each file.

        """
        claims = tuple((target_schema, dataset, filename) for dataset, filename in files)
        self._loading[claims] = time.monotonic()
        try:
            yield
        finally:
            self._loading.pop(claims, None)

    def close(self) -> None:
        """Delete the records of this run, and those that runs which have ended left behind."""
        self._is_closed.set()
        self._thread.join()
        if self._connection:
            self._write(lambda connection: _queries.delete_claims(connection, run_id=self._run_id))
        self._resources.close()

    def _record_all(self) -> None:
        recorded: set[tuple[tuple[tuple[str, str, str], ...], float]] = set()
        while not self._is_closed.wait(_RECORD_AFTER_SECONDS):
            for claims, since in self._loading.copy().items():
                if time.monotonic() - since > _RECORD_AFTER_SECONDS and (claims, since) not in recorded:
                    recorded.add((claims, since))
                    self._record(claims)
            recorded &= self._loading.copy().items()

    def _record(self, claims: Sequence[tuple[str, str, str]]) -> None:
        schemas, datasets, filenames = map(list, zip(*claims, strict=True))
        self._write(
            lambda connection: _queries.record_claims(
                connection, target_schemas=schemas, datasets=datasets, filenames=filenames, run_id=self._run_id
            )
        )

    def _write(self, write: Callable[[db.Connection], object]) -> None:
        try:
            connection = self._open()
            if not connection.closed:
                write(connection)
        except (psycopg2.Error, PipelineError) as exc:
            log.event(
                f"cannot record which files are being loaded ({type(exc).__name__}); the load continues",
                level=log.WARNING,
            )

    def _open(self) -> db.Connection:
        if self._connection is None:
            self._connection = self._resources.enter_context(db.session(self._engine, role=self._role))
            with self._connection.cursor() as cursor:
                # the records are of no use after a crash of the server, so no load waits for the disk
                cursor.execute("set synchronous_commit = off")
        return self._connection


@contextmanager
def recorded(engine: db.Engine, run_id: UUID, role: str | None) -> Iterator[ClaimRecorder]:
    """Record claims for the length of the block, and delete the records at its end.

    Arguments:
        engine: a migrated database.
        run_id: the run that loads the files.
        role: the role that writes the records, None for the login role.

    """
    recorder = ClaimRecorder(engine, run_id, role)
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
