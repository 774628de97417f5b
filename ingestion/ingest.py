"""A landing zone becomes raw rows. The file transaction lives here and only here.

With the manifest each file is a transaction of its own: its rows and its row in the ledger, or neither. Without it all
files of a dataset are one transaction that replaces what the table held.
"""

import runpy
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Self
from uuid import UUID

from psycopg2.sql import SQL, Identifier
from sqlalchemy import Engine

from ingestion import claims, db, log, manifest, quarantine
from ingestion.errors import BadDataError, ConfigurationError, FileRefusedError, UsageError
from ingestion.load import Drop, load
from ingestion.load.header import shown
from ingestion.load.progress import OnChunk, watch
from ingestion.load.records import checksum_of
from ingestion.manifest import Entry, LoadedFile
from ingestion.results import Counts, FileResult, FileStatus, IngestResult
from ingestion.retraction import Tombstones, retracted
from ingestion.sources import Dataset, datasets_for, declared
from ingestion.storage import Storage, StoredFile
from ingestion.workers import StoppedError, work_off

# the server notices within 2 s that a worker is gone (see db.create_engine), and frees its claims
_DEAD_CLAIM_SECONDS = 3.0


@dataclass(frozen=True)
class Plan:
    """How a landing zone is to be loaded.

    Arguments:
        schema: where the raw tables are; those of another schema than `raw` are made after its model.
        use_manifest: load each content once. Otherwise replace what the tables of the datasets found here hold.
        force: load again what is loaded already; its rows are replaced.
        only: the names to look at; none means all.
        since: files last written before are passed over; None means none.
        archive: with the manifest, move files that are loaded out of the way; otherwise they are left.
        min_age_seconds: files written more lately may still be growing, and are left for the next run.
        workers: how many files are loaded at the same time, each on a connection of its own.
        dry_run: do everything in one transaction, and roll it back.
        erasure_key: the secret under which erased persons are remembered; see `retraction`.

    """

    schema: str = "raw"
    use_manifest: bool = True
    force: bool = False
    only: frozenset[str] = frozenset()
    since: datetime | None = None
    archive: bool = False
    min_age_seconds: float = 0.0
    workers: int = 1
    dry_run: bool = False
    erasure_key: str | None = field(default=None, repr=False)


def ingest(
    engine: Engine,
    storage: Storage,
    run_id: UUID,
    plan: Plan,
    *,
    role: str | None = None,
    on_file: Callable[[FileResult], None] | None = None,
) -> IngestResult:
    """Load every file of a landing zone that belongs to a declared dataset.

    Any number of processes may do this at once with the manifest: a file is claimed in the database.

    Arguments:
        engine: a migrated database.
        storage: the landing zone.
        run_id: goes into the ledger.
        plan: how.
        role: the role to load as.
        on_file: called with what became of each file, once that is committed; must not raise.

    Returns:
        What became of each file. A refused file does not keep the others from being loaded.

    Raises:
        BadDataError: there is no file at all, and there should be.
        UsageError: a file of `only` is not there.
        ConfigurationError: the landing zone cannot archive, and is asked to.
        DatabaseUnavailableError: no connection, or it was lost; the files loaded before stay loaded.

    """
    if plan.archive and not storage.can_archive:
        raise ConfigurationError(
            "an object store cannot archive: between copy and deletion a newer object could be lost",
            hint="Unset PIPELINE_ARCHIVE, and let a lifecycle rule of the bucket move old objects.",
        )
    with _Ingest(engine, storage, run_id, plan, role=role, on_file=on_file) as job:
        if plan.schema != "raw":
            job.make_tables()
        if plan.use_manifest:
            job.load_new()
        else:
            job.replace_all()
        return job.result


class _Ingest:
    def __init__(
        self,
        engine: Engine,
        storage: Storage,
        run_id: UUID,
        plan: Plan,
        *,
        role: str | None,
        on_file: Callable[[FileResult], None] | None,
    ) -> None:
        self._storage = storage
        self._run_id = run_id
        self._plan = plan
        self._schema = plan.schema
        self._engine = engine
        self._role = role
        self._on_file = on_file
        self._resources = ExitStack()
        self._sessions = db.Sessions(engine, role)
        self._rehearsal: db.Connection | None = None
        self._notes: claims.Notes | None = None
        self._stop = threading.Event()
        self._vanished: set[tuple[str, str]] = set()
        self._listed = 0
        # of files that had to be read to be known again, by file_id
        self._versions: dict[int, str] = {}
        self.result = IngestResult()

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            resources.callback(self._sessions.close)
            if self._plan.dry_run:
                self._rehearsal = resources.enter_context(self._rolled_back())
            elif self._plan.use_manifest:
                self._notes = resources.enter_context(claims.noted(self._engine, self._run_id, self._role))
            with self._transaction() as connection:
                self._tombstones = Tombstones(connection, self._plan.erasure_key)
                self._retracted = retracted(connection, self._schema)
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._resources.close()

    def make_tables(self) -> None:
        with self._transaction() as connection, connection.cursor() as cursor:
            # `if not exists` alone fails now and then where several start at once
            manifest.lock(connection, self._schema, "*")
            cursor.execute(SQL("create schema if not exists {}").format(Identifier(self._schema)))
            for dataset in declared():
                cursor.execute(
                    SQL("create table if not exists {} (like raw.{} including all)").format(
                        Identifier(self._schema, dataset.name), Identifier(dataset.name)
                    )
                )

    def load_new(self) -> None:
        """Load what is not loaded yet.

        A file whose bytes are loaded under another name gives up what it held, and is looked at again at the end: by
        then that other file may have been replaced, and these bytes would be nowhere. So is one that another worker
        had claimed: that worker may have died.
        """
        with self._transaction() as connection:
            loaded = {(f.dataset, f.filename): f for f in manifest.loaded_files(connection, self._schema)}
        sizes = {file.size for file in loaded.values()} | set(self._retracted.values())
        self._vanished = set(loaded)
        again: list[tuple[StoredFile, Dataset]] = []
        settled: dict[StoredFile, list[Dataset]] = {}
        workers = 1 if self._plan.dry_run else self._plan.workers

        def work(item: tuple[StoredFile, Dataset]) -> FileResult:
            file, dataset = item
            timer = _Timer(file)
            return timer.stop(self._load_if_new(file, dataset, loaded.get((dataset.name, file.name)), sizes))

        for (file, dataset), result in work_off(self._known(), work, workers, self._stop):
            if result.status in {"duplicate", "claimed"}:
                again.append((file, dataset))
            else:
                self._report(result)
            if self._plan.archive and result.status in {"loaded", "replaced", "skipped"}:
                settled.setdefault(file, []).append(dataset)
        for file, dataset in again:
            timer = _Timer(file)
            self._report(timer.stop(self._load_unless_claimed(file, dataset, sizes)))
        self._remember_versions()
        if settled and not self._plan.dry_run:
            self._archive(settled)
        if self._plan.only:
            self._check_all_were_there()
        elif not self._listed:
            _explain_empty(
                known_files=sum(not self._storage.is_archived(f.filename, f.checksum) for f in loaded.values())
            )
        elif vanished := [
            name for key in self._vanished if not self._storage.is_archived(name := key[1], loaded[key].checksum)
        ]:
            self._report_vanished(sorted(vanished))

    def _remember_versions(self) -> None:
        if self._versions:
            with self._transaction() as connection:
                manifest.remember_versions(connection, self._versions)

    def _archive(self, files: dict[StoredFile, list[Dataset]]) -> None:
        """Move files of which every dataset is loaded."""
        with self._transaction() as connection:
            loaded = {(f.dataset, f.filename): f.checksum for f in manifest.loaded_files(connection, self._schema)}
        for file, datasets in files.items():
            if len(datasets) < len(_datasets_of(file)):
                continue
            checksums = {loaded.get((dataset.name, file.name)) for dataset in datasets}
            checksum = checksums.pop()
            if checksum is None or checksums or not self._storage.archive(file, checksum):
                log.event(f"{file.name} was not archived: it has changed, or may not be moved", level=log.WARNING)

    def replace_all(self) -> None:
        """Replace what the tables hold by what the files hold, a dataset in one transaction."""
        by_dataset: dict[str, tuple[Dataset, list[StoredFile]]] = {}
        for file, dataset in self._known():
            by_dataset.setdefault(dataset.name, (dataset, []))[1].append(file)
        for dataset, files in by_dataset.values():
            self._replace_dataset(dataset, files)
        if not self._listed:
            raise BadDataError("no files in the data directory", hint="Put exports there, or name another directory.")

    def _replace_dataset(self, dataset: Dataset, files: list[StoredFile]) -> None:
        results = []
        try:
            with self._transaction() as connection, connection.cursor() as cursor:
                cursor.execute(SQL("truncate {}").format(Identifier(self._schema, dataset.name)))
                manifest.mark_dataset_replaced(connection, self._schema, dataset.name)
                for file in files:
                    timer = _Timer(file)
                    try:
                        with db.savepoint(connection):
                            result = self._load(connection, file, dataset)
                    except FileRefusedError as exc:
                        result = _refused(file, dataset, exc)
                    except _DuplicateError as exc:
                        result = _duplicate(file, dataset, exc)
                    results.append(timer.stop(result))
                if not any(result.status == "loaded" for result in results):
                    raise _NothingLoadedError
        except _NothingLoadedError:
            log.event(
                f"{dataset.name} keeps what it held: no file could be loaded", level=log.WARNING, dataset=dataset.name
            )
        for file, result in zip(files, results, strict=True):
            if result.status == "refused":
                self._record_refused(file, dataset, result)
            self._report(result)

    def _known(self) -> Iterator[tuple[StoredFile, Dataset]]:
        for file in self._storage.list():
            self._listed += 1
            if self._plan.only and file.name not in self._plan.only:
                continue
            datasets = _datasets_of(file)
            self._vanished -= {(dataset.name, file.name) for dataset in datasets}
            if self._plan.since and file.modified_at and file.modified_at < self._plan.since:
                continue
            if not datasets:
                self._report(
                    FileResult(
                        file.name,
                        None,
                        "unknown",
                        reason="no declared dataset has this name",
                        hint="Rename it after a declared dataset, or declare its dataset: see docs/sources.md.",
                    )
                )
            elif self._is_settled(file):
                yield from ((file, dataset) for dataset in datasets)
            else:
                reason = f"written less than {self._plan.min_age_seconds:g} s ago: the next run takes it up"
                self._report(FileResult(file.name, datasets[0].name, "unsettled", reason=reason))

    def _is_settled(self, file: StoredFile) -> bool:
        if not self._plan.min_age_seconds or file.modified_at is None:
            return True
        return (datetime.now(UTC) - file.modified_at).total_seconds() >= self._plan.min_age_seconds

    def _load_if_new(self, file: StoredFile, dataset: Dataset, known: LoadedFile | None, sizes: set[int]) -> FileResult:
        try:
            if not self._plan.force and self._is_on_record(file, dataset, known, sizes):
                return FileResult(file.name, dataset.name, "skipped")
            return self._load_claimed(file, dataset, known)
        except FileRefusedError as exc:
            result = _refused(file, dataset, exc)
            self._record_refused(file, dataset, result)
            return result
        except _RetractedError:
            return FileResult(
                file.name,
                dataset.name,
                "retracted",
                reason="these bytes were taken out by a person",
                hint=f"To bring them back: python -m ingestion reload {file.name}",
            )
        except _DuplicateError as exc:
            if exc.filename == file.name:
                return FileResult(file.name, dataset.name, "skipped")
            with self._transaction() as connection:
                manifest.lock(connection, self._schema, dataset.name)
                self._take_out(connection, file, dataset)
                entry = self._entry(file, dataset, exc.checksum)
                manifest.record_not_loaded(connection, entry, "duplicate", self._run_id, duplicate_of=exc.file_id)
            return _duplicate(file, dataset, exc)

    def _load_unless_claimed(self, file: StoredFile, dataset: Dataset, sizes: set[int]) -> FileResult:
        """Load a file, waiting a moment for a claim that nobody holds any more."""
        deadline = time.monotonic() + _DEAD_CLAIM_SECONDS
        while True:
            result = self._load_if_new(file, dataset, None, sizes)
            if result.status != "claimed" or time.monotonic() > deadline:
                return result
            time.sleep(0.2)

    def _is_on_record(self, file: StoredFile, dataset: Dataset, known: LoadedFile | None, sizes: set[int]) -> bool:
        """Tell, before a load, whether these bytes are loaded; a new file, of a size not on record, is not read."""
        if known and file.is_strong and file.version == known.version:
            return True
        if file.size not in sizes:
            return False
        checksum = checksum_of(self._storage, file)
        if known and known.checksum == checksum:
            if file.is_strong:
                self._versions[known.file_id] = file.version
            return True
        with self._transaction() as connection:
            self._refuse_twin(connection, file, dataset, checksum)
        if (dataset.name, checksum) in self._retracted:
            raise _RetractedError
        return False

    def _load_claimed(self, file: StoredFile, dataset: Dataset, known: LoadedFile | None) -> FileResult:
        with self._transaction() as connection:
            if not manifest.claim(connection, self._schema, dataset.name, file.name):
                return FileResult(file.name, dataset.name, "claimed", reason="another worker is loading it")
            if self._is_loaded_since(connection, file, dataset, known):
                return FileResult(file.name, dataset.name, "skipped")
            with self._noted(file, dataset):
                return self._load(connection, file, dataset)

    def _noted(self, file: StoredFile, dataset: Dataset) -> AbstractContextManager[None]:
        return self._notes.loading(self._schema, dataset.name, file.name) if self._notes else nullcontext()

    def _is_loaded_since(
        self, connection: db.Connection, file: StoredFile, dataset: Dataset, known: LoadedFile | None
    ) -> bool:
        """Tell whether another process has loaded this very content since the manifest was read."""
        now = manifest.find_name(connection, self._schema, dataset.name, file.name)
        if now is None or (known and now == known.file_id):
            return False
        twin = manifest.find_checksum(connection, self._schema, dataset.name, checksum_of(self._storage, file))
        return twin is not None and twin[1] == file.name

    def _load(self, connection: db.Connection, file: StoredFile, dataset: Dataset) -> FileResult:
        """Load one file and record it, in the caller's transaction."""
        with watch(file.name, file.size) as on_chunk:
            file_id = manifest.next_file_id(connection)
            drop = Drop(self._storage, file, dataset, self._schema, self._stoppable(on_chunk))
            loaded = load(connection, drop, file_id, self._run_id)
        # from here to the commit the same bytes or the same name cannot come in from elsewhere
        manifest.lock(connection, self._schema, dataset.name)
        if not self._storage.is_unchanged(file):
            raise _changed()
        self._refuse_twin(connection, file, dataset, loaded.checksum)
        counts = self._without_erased(connection, dataset, file, file_id, loaded.counts)
        status: FileStatus = "replaced" if self._take_out(connection, file, dataset) else "loaded"
        entry = self._entry(file, dataset, loaded.checksum)
        manifest.record_loaded(
            connection, file_id, entry, counts, self._run_id, header=loaded.header, dialect=loaded.dialect
        )
        faults = tuple(quarantine.faults(connection, file_id)) if counts.rejected else ()
        return FileResult(
            file.name,
            dataset.name,
            status,
            counts=counts,
            extra=loaded.extra,
            drift=loaded.drift,
            faults=faults,
            checksum=loaded.checksum,
        )

    def _without_erased(
        self, connection: db.Connection, dataset: Dataset, file: StoredFile, file_id: int, counts: Counts
    ) -> Counts:
        kept = self._tombstones.keep_out(connection, self._schema, dataset.name, file_id, file.name)
        return replace(
            counts,
            loaded=counts.loaded - kept.from_raw,
            rejected=counts.rejected - kept.from_quarantine,
            erased=kept.from_raw + kept.from_quarantine,
        )

    def _refuse_twin(self, connection: db.Connection, file: StoredFile, dataset: Dataset, checksum: str) -> None:
        twin = manifest.find_checksum(connection, self._schema, dataset.name, checksum)
        if twin and not (self._plan.force and twin[1] == file.name):
            raise _DuplicateError(*twin, checksum)

    def _stoppable(self, on_chunk: OnChunk) -> OnChunk:
        """Return a callback that ends the load where another worker has failed or the run was interrupted."""

        def advance(size: int, lines: int) -> None:
            if self._stop.is_set():
                raise StoppedError
            on_chunk(size, lines)

        return advance

    def _take_out(self, connection: db.Connection, file: StoredFile, dataset: Dataset) -> bool:
        """Take out the rows of an older content of this name; tell whether there were any."""
        old = manifest.find_name(connection, self._schema, dataset.name, file.name)
        if old is None:
            return False
        with connection.cursor() as cursor:
            cursor.execute(
                SQL("delete from {} where _file_id = %s").format(Identifier(self._schema, dataset.name)), (old,)
            )
        manifest.mark_replaced(connection, old)
        return True

    def _entry(self, file: StoredFile, dataset: Dataset, checksum: str) -> Entry:
        version = file.version if file.is_strong else None
        return Entry(self._schema, dataset.name, file.name, checksum, file.size, version)

    def _record_refused(self, file: StoredFile, dataset: Dataset, result: FileResult) -> None:
        try:
            entry = self._entry(file, dataset, checksum_of(self._storage, file))
        except FileRefusedError:
            log.event(f"{file.name} has no readable content to be recorded by", file=file.name)
            return
        with self._transaction() as connection:
            manifest.record_not_loaded(connection, entry, "refused", self._run_id, reason=result.reason)

    @contextmanager
    def _transaction(self) -> Iterator[db.Connection]:
        if self._rehearsal is None:
            with self._sessions.transaction() as connection:
                yield connection
        else:
            with db.savepoint(self._rehearsal):
                yield self._rehearsal

    @contextmanager
    def _rolled_back(self) -> Iterator[db.Connection]:
        with self._sessions.transaction() as connection:
            try:
                yield connection
            finally:
                connection.rollback()

    def _check_all_were_there(self) -> None:
        absent = sorted(self._plan.only - {file.filename for file in self.result.files})
        if absent:
            raise UsageError(
                f"not in the landing zone: {', '.join(absent)}",
                hint="Give the file's name as the manifest has it: the path below the data directory.",
            )

    def _report_vanished(self, names: list[str]) -> None:
        self.result.vanished = names
        log.event(
            f"{len(names)} files on record are no longer in the landing zone; their rows stay",
            level=log.WARNING,
            files=names[:10],
            hint="To take their rows out too: python -m ingestion retract FILE --reason WHY",
        )

    def _report(self, result: FileResult) -> None:
        self.result.files.append(result)
        if self._on_file:
            self._on_file(result)
        if result.status == "skipped":
            return
        bad = result.status == "refused"
        counts = result.counts
        what = f" ({result.dataset})" if len(datasets_for(PurePosixPath(result.filename).name)) > 1 else ""
        text = f"{result.filename}{what}: {result.status}"
        if result.status in {"loaded", "replaced"}:
            text += f", {counts.loaded} rows" + (f", {counts.rejected} rejected" if counts.rejected else "")
        if result.extra:
            text += f", columns not declared and kept in _extra: {shown(result.extra)}"
        if result.drift:
            text += f" ({'; '.join(result.drift)})"
        if result.reason:
            text += f": {result.reason}"
        log.event(
            text,
            level=log.ERROR if bad else log.WARNING if result.status == "unknown" or counts.rejected else log.INFO,
            file=result.filename,
            dataset=result.dataset,
            file_status=result.status,
            rows_read=counts.read,
            rows_loaded=counts.loaded,
            rows_rejected=counts.rejected,
            hint=result.hint,
        )


class _DuplicateError(Exception):
    """The same bytes are loaded already."""

    def __init__(self, file_id: int, filename: str, checksum: str) -> None:
        super().__init__(filename)
        self.file_id = file_id
        self.filename = filename
        self.checksum = checksum


class _RetractedError(Exception):
    """These bytes were taken out by a person."""


class _NothingLoadedError(Exception):
    """No file of a dataset could be loaded: what the table held stays."""


class _Timer:
    """How long one file takes."""

    def __init__(self, file: StoredFile) -> None:
        self._size = file.size
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()

    def stop(self, result: FileResult) -> FileResult:
        took = round((time.monotonic() - self._started) * 1000)
        return replace(result, size=self._size, started_at=self._started_at, duration_ms=took)


def _datasets_of(file: StoredFile) -> tuple[Dataset, ...]:
    return datasets_for(PurePosixPath(file.name).name)


def _changed() -> FileRefusedError:
    return FileRefusedError("it changed while it was read", hint="Nothing of it was loaded; the next run takes it up.")


def _refused(file: StoredFile, dataset: Dataset, exc: FileRefusedError) -> FileResult:
    return FileResult(file.name, dataset.name, "refused", reason=log.redact(str(exc)), hint=exc.hint)


def _duplicate(file: StoredFile, dataset: Dataset, exc: _DuplicateError) -> FileResult:
    return FileResult(file.name, dataset.name, "duplicate", reason=f"same as {exc.filename}", checksum=exc.checksum)


def _explain_empty(*, known_files: int) -> None:
    if known_files:
        raise BadDataError(
            f"the data directory is empty, and yet {known_files} files of it are on record",
            hint="Is the volume mounted? Is PIPELINE_DATA_DIR the one of the earlier runs?",
        )
    log.event("the data directory is empty: put exports there and run again", level=log.WARNING)


if __name__ == "__main__":
    sys.argv.insert(1, "ingest")
    runpy.run_module("ingestion", run_name="__main__")
