"""Load a landing zone into the raw tables.

With the manifest, each file is a transaction of its own and each content is loaded once. Without it, the files of a
dataset are one transaction that replaces what its table held.
"""

import runpy
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from psycopg2.sql import SQL, Identifier
from sqlalchemy import Engine

from ingestion import claims, db, log, manifest
from ingestion.backlog import Backlog, Decision, Item, datasets_of
from ingestion.errors import BadDataError, ConfigurationError, FileRefusedError, UsageError
from ingestion.file_transaction import DuplicateError, FileLoader, Transactions
from ingestion.load.header import shown
from ingestion.results import FileResult, FileStatus, IngestResult
from ingestion.retraction import Tombstones, retracted_contents
from ingestion.sources import Dataset, declared
from ingestion.storage import Storage, StoredFile
from ingestion.workers import map_unordered

# the server notices within 2 s that a worker has gone (see db.create_engine), and frees its claims
_DEAD_CLAIM_SECONDS = 3.0
# what a file that is not loaded is called in the result
_STATUSES: dict[str, FileStatus] = {
    "known": "skipped",
    "duplicate": "duplicate",
    "retracted": "retracted",
    "unsettled": "unsettled",
    "unknown": "unknown",
}


@dataclass(frozen=True)
class Plan:
    """How to load a landing zone.

    Arguments:
        schema: the schema of the raw tables. Those of another schema than `raw` are created like those of `raw`.
        use_manifest: load each content once. Otherwise replace the rows of every dataset that has a file.
        force: load files again that are loaded, and replace their rows.
        only: the names of the files to look at; empty means all.
        since: ignore files last written before this time.
        archive: with the manifest, move loaded files into a hidden folder of the landing zone.
        min_age_seconds: leave files written more recently than this to the next run: they may still grow.
        workers: how many files to load at the same time, each on a connection of its own.
        dry_run: do everything in one transaction, and roll it back.
        erasure_key: the secret that the ids of erased participants were hashed with; see `retraction`.

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

    With the manifest, any number of processes may do this at once: each claims its files in the database.

    Arguments:
        engine: a migrated database.
        storage: the landing zone.
        run_id: the run that the manifest records.
        plan: how to load.
        role: the role to load as, None for the login role.
        on_file: called with the result of each file after its transaction; must not raise.

    Returns:
        One result per file and dataset. A refused file does not prevent the others from being loaded.

    Raises:
        BadDataError: the landing zone is empty, and should not be.
        UsageError: a file of `only` is not in the landing zone.
        ConfigurationError: the landing zone cannot archive, and the plan asks for it.
        DatabaseUnavailableError: the database cannot be reached. Files loaded before stay loaded.

    """
    if plan.archive and not storage.can_archive:
        raise ConfigurationError(
            "an object store cannot archive: between copy and deletion a newer object could be lost",
            hint="Unset PIPELINE_ARCHIVE, and let a lifecycle rule of the bucket move old objects.",
        )
    results = _Results(on_file)
    with ExitStack() as resources:
        transactions = resources.enter_context(Transactions(engine, role, dry_run=plan.dry_run).opened())
        recorder = None
        if plan.use_manifest and not plan.dry_run:
            recorder = resources.enter_context(claims.recorded(engine, run_id, role))
        with transactions.begin() as connection:
            tombstones = Tombstones(connection, plan.erasure_key)
        if plan.schema != "raw":
            _create_tables(transactions, plan.schema)
        loader = FileLoader(
            transactions, storage, plan.schema, run_id, tombstones, plan.force, threading.Event(), recorder
        )
        backlog = _backlog(transactions, storage, plan, loader)
        mode = _ManifestLoad if plan.use_manifest else _FullReload
        mode(transactions, storage, plan, loader, backlog, results).run()
    return results.all


def _backlog(transactions: Transactions, storage: Storage, plan: Plan, loader: FileLoader) -> Backlog:
    if not plan.use_manifest:
        # without records of the manifest every file is new
        return Backlog(storage, only=plan.only, since=plan.since, min_age_seconds=plan.min_age_seconds)
    with transactions.begin() as connection:
        return Backlog(
            storage,
            loaded=manifest.loaded_files(connection, plan.schema),
            retracted=retracted_contents(connection, plan.schema),
            only=plan.only,
            since=plan.since,
            min_age_seconds=plan.min_age_seconds,
            force=plan.force,
            find_original=loader.find_original,
        )


def _create_tables(transactions: Transactions, schema: str) -> None:
    with transactions.begin() as connection, connection.cursor() as cursor:
        # `if not exists` alone fails now and then where several processes start at once
        manifest.lock(connection, schema, "*")
        cursor.execute(SQL("create schema if not exists {}").format(Identifier(schema)))
        for dataset in declared():
            cursor.execute(
                SQL("create table if not exists {} (like raw.{} including all)").format(
                    Identifier(schema, dataset.name), Identifier(dataset.name)
                )
            )


@dataclass(frozen=True)
class _Mode:
    transactions: Transactions
    storage: Storage
    plan: Plan
    loader: FileLoader
    backlog: Backlog
    results: "_Results"


class _ManifestLoad(_Mode):
    """Loads what the manifest does not have yet, each file in a transaction of its own."""

    def run(self) -> None:
        """Load the backlog, and look at duplicates and claimed files again at the end.

        A duplicate's original may have been replaced by then, and its bytes would be loaded nowhere. The worker that
        had claimed a file may have died.
        """
        again: list[Item] = []
        loaded: dict[StoredFile, list[Dataset]] = {}
        workers = 1 if self.plan.dry_run else self.plan.workers
        for item, result in map_unordered(self.backlog.items(), self._load, workers, self.loader.stop):
            if result.status in {"duplicate", "claimed"}:
                again.append(item)
            else:
                self.results.add(result)
            if self.plan.archive and item.dataset and result.status in {"loaded", "replaced", "skipped"}:
                loaded.setdefault(item.file, []).append(item.dataset)
        for item in again:
            self.backlog.forget(item)
            self.results.add(self._load_unless_claimed(item))
        self._remember_versions()
        if loaded and not self.plan.dry_run:
            self._archive(loaded)
        self._check_landing_zone()

    def _load(self, item: Item) -> FileResult:
        timer = _Timer(item.file)
        result = self._load_if_due(item)
        return result if result.status in {"unknown", "unsettled"} else timer.stop(result)

    def _load_if_due(self, item: Item) -> FileResult:
        try:
            decision = self.backlog.decide(item)
            if item.dataset is None or not decision.is_due:
                return self._leave(item, decision)
            return self.loader.load_claimed(item.file, item.dataset, self.backlog.loaded_as(item))
        except FileRefusedError as exc:
            result = _refused(item, exc)
            if item.dataset:
                self.loader.record_refused(item.file, item.dataset, result.reason)
            return result
        except DuplicateError as exc:
            return self._leave(item, self.backlog.decide_duplicate(item, exc.original, exc.checksum))

    def _leave(self, item: Item, decision: Decision) -> FileResult:
        if item.dataset and decision.original and decision.checksum:
            self.loader.record_duplicate(item.file, item.dataset, decision.original, decision.checksum)
        return _not_loaded(item, decision)

    def _load_unless_claimed(self, item: Item) -> FileResult:
        """Load a file. Wait a moment for a claim whose holder has died."""
        timer = _Timer(item.file)
        deadline = time.monotonic() + _DEAD_CLAIM_SECONDS
        while True:
            result = self._load_if_due(item)
            if result.status != "claimed" or time.monotonic() > deadline:
                return timer.stop(result)
            time.sleep(0.2)

    def _remember_versions(self) -> None:
        if self.backlog.confirmed_versions:
            with self.transactions.begin() as connection:
                manifest.remember_versions(connection, self.backlog.confirmed_versions)

    def _archive(self, files: dict[StoredFile, list[Dataset]]) -> None:
        """Move the files that are loaded for each of their datasets."""
        with self.transactions.begin() as connection:
            loaded = {(f.dataset, f.filename): f.checksum for f in manifest.loaded_files(connection, self.plan.schema)}
        for file, datasets in files.items():
            if len(datasets) < len(datasets_of(file.name)):
                continue
            checksums = {loaded.get((dataset.name, file.name)) for dataset in datasets}
            checksum = checksums.pop()
            if checksum is None or checksums or not self.storage.archive(file, checksum):
                log.event(
                    f"{file.name} was not archived: it has changed since it was loaded, or cannot be moved",
                    level=log.WARNING,
                )

    def _check_landing_zone(self) -> None:
        if self.plan.only:
            if absent := sorted(self.plan.only - {file.filename for file in self.results.all.files}):
                raise UsageError(
                    f"not in the landing zone: {', '.join(absent)}",
                    hint="Name each file as the manifest does: by its path below the data directory.",
                )
        elif not self.backlog.listed_files:
            if expected := self.backlog.expected_files():
                raise BadDataError(
                    f"the data directory is empty, but the manifest has {expected} files of it",
                    hint="Check that the volume is mounted, and that PIPELINE_DATA_DIR is that of the earlier runs.",
                )
            log.event("the data directory is empty: put exports there, and run again", level=log.WARNING)
        elif vanished := self.backlog.vanished():
            self.results.all.vanished = vanished
            log.event(
                f"{len(vanished)} loaded files are no longer in the landing zone; their rows stay",
                level=log.WARNING,
                files=vanished[:10],
                hint="To remove their rows, run: python -m ingestion retract FILE --reason WHY",
            )


class _FullReload(_Mode):
    """Replaces what the raw tables hold by what the files hold, each dataset in one transaction."""

    def run(self) -> None:
        items: dict[str, list[tuple[Item, Dataset]]] = {}
        for item in self.backlog.items():
            decision = self.backlog.decide(item)
            if item.dataset and decision.is_due:
                items.setdefault(item.dataset.name, []).append((item, item.dataset))
            else:
                self.results.add(_not_loaded(item, decision))
        for of_dataset in items.values():
            self._replace(of_dataset[0][1], [item for item, _ in of_dataset])
        if not self.backlog.listed_files:
            raise BadDataError("no files in the data directory", hint="Put exports there, or name another directory.")

    def _replace(self, dataset: Dataset, items: list[Item]) -> None:
        results = []
        try:
            with self.transactions.begin() as connection, connection.cursor() as cursor:
                cursor.execute(SQL("truncate {}").format(Identifier(self.plan.schema, dataset.name)))
                manifest.mark_dataset_replaced(connection, self.plan.schema, dataset.name)
                for item in items:
                    timer = _Timer(item.file)
                    results.append(timer.stop(self._load(connection, item, dataset)))
                if not any(result.status == "loaded" for result in results):
                    raise _NothingLoadedError
        except _NothingLoadedError:
            log.event(
                f"{dataset.name} keeps its rows: none of its files could be loaded",
                level=log.WARNING,
                dataset=dataset.name,
            )
        for item, result in zip(items, results, strict=True):
            if result.status == "refused":
                self.loader.record_refused(item.file, dataset, result.reason)
            self.results.add(result)

    def _load(self, connection: db.Connection, item: Item, dataset: Dataset) -> FileResult:
        try:
            with db.savepoint(connection):
                return self.loader.load(connection, item.file, dataset)
        except FileRefusedError as exc:
            return _refused(item, exc)
        except DuplicateError as exc:
            return _not_loaded(item, self.backlog.decide_duplicate(item, exc.original, exc.checksum))


class _NothingLoadedError(Exception):
    """No file of a dataset could be loaded. Its table keeps its rows."""


class _Results:
    """Collects, logs and passes on what happened to each file."""

    def __init__(self, on_file: Callable[[FileResult], None] | None) -> None:
        self._on_file = on_file
        self.all = IngestResult()

    def add(self, result: FileResult) -> None:
        self.all.files.append(result)
        if self._on_file:
            self._on_file(result)
        if result.status == "skipped":
            return
        is_warning = result.status == "unknown" or result.counts.rejected
        log.event(
            _message(result),
            level=log.ERROR if result.status == "refused" else log.WARNING if is_warning else log.INFO,
            file=result.filename,
            dataset=result.dataset,
            file_status=result.status,
            rows_read=result.counts.read,
            rows_loaded=result.counts.loaded,
            rows_rejected=result.counts.rejected,
            hint=result.hint,
        )


class _Timer:
    """Measures how long one file takes."""

    def __init__(self, file: StoredFile) -> None:
        self._size = file.size
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()

    def stop(self, result: FileResult) -> FileResult:
        duration_ms = round((time.monotonic() - self._started) * 1000)
        return replace(result, size=self._size, started_at=self._started_at, duration_ms=duration_ms)


def _refused(item: Item, exc: FileRefusedError) -> FileResult:
    dataset = item.dataset.name if item.dataset else None
    return FileResult(item.file.name, dataset, "refused", reason=log.redact(str(exc)), hint=exc.hint)


def _not_loaded(item: Item, decision: Decision) -> FileResult:
    return FileResult(
        item.file.name,
        item.dataset.name if item.dataset else None,
        _STATUSES[decision.state],
        reason=decision.reason,
        hint=decision.hint,
        checksum=decision.checksum if decision.state == "duplicate" else None,
    )


def _message(result: FileResult) -> str:
    counts = result.counts
    dataset = f" ({result.dataset})" if len(datasets_of(result.filename)) > 1 else ""
    text = f"{result.filename}{dataset}: {result.status}"
    if result.status in {"loaded", "replaced"}:
        text += f", {counts.loaded} rows" + (f", {counts.rejected} rejected" if counts.rejected else "")
    if result.extra:
        text += f", undeclared columns kept in _extra: {shown(result.extra)}"
    if result.remarks:
        text += f" ({'; '.join(map(str, result.remarks))})"
    return text + (f": {result.reason}" if result.reason else "")


if __name__ == "__main__":
    sys.argv.insert(1, "ingest")
    runpy.run_module("ingestion", run_name="__main__")
