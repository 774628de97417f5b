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
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg2.sql import SQL, Identifier
from sqlalchemy import Engine

from ingestion import archives, claims, db, log, manifest
from ingestion.backlog import Backlog, Decision, Item
from ingestion.containment import contained
from ingestion.errors import BadDataError, ConfigurationError, FileRefusedError, ForeignFileError, UsageError
from ingestion.file_transaction import FileLoader, KnownContentError, Transactions
from ingestion.outcomes import Results, Timer
from ingestion.recognition import Memory
from ingestion.results import FileResult, FileStatus, IngestResult
from ingestion.retraction import Tombstones, retracted_contents
from ingestion.sources import Dataset, declared
from ingestion.storage import Storage, StoredFile, is_inside
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
    results = Results(on_file)
    tombstones = Tombstones(plan.erasure_key)
    with ExitStack() as resources:
        if not plan.dry_run:
            storage.recover()
            resources.callback(storage.clear_leftovers)
        transactions = resources.enter_context(Transactions(engine, role, dry_run=plan.dry_run).opened())
        recorder = None
        if plan.use_manifest and not plan.dry_run:
            recorder = resources.enter_context(claims.recorded(engine, run_id, role))
        with transactions.begin() as connection:
            tombstones.read(connection)
            storage = folders = archives.as_folders(connection, plan.schema, storage)
        resources.callback(folders.close)
        if plan.schema != "raw":
            _create_tables(transactions, plan.schema)
        loader = FileLoader(
            transactions, storage, plan.schema, run_id, tombstones, plan.force, threading.Event(), recorder
        )
        backlog = _backlog(transactions, storage, plan, loader)
        mode = _ManifestLoad if plan.use_manifest else _FullReload
        mode(transactions, storage, plan, loader, backlog, results).run()
        if folders.found:
            with transactions.begin() as connection:
                archives.remember(connection, folders.found)
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
            duplicates=archives.duplicate_versions(connection, plan.schema),
            only=plan.only,
            since=plan.since,
            min_age_seconds=plan.min_age_seconds,
            force=plan.force,
            find_original=loader.find_original,
            memory=Memory.read(connection),
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
    results: Results

    def _note_unrecognised(self) -> None:
        """Note in the result if not one of the listed files belongs to a dataset."""
        if not self.plan.only and not self.backlog.recognised_files:
            self.results.all.unrecognised = self.backlog.listed_files


class _ManifestLoad(_Mode):
    """Loads what the manifest does not have yet, each file in a transaction of its own."""

    def run(self) -> None:
        """Load the backlog, and look at duplicates and claimed files again at the end.

        A duplicate's original may have been replaced by then, and its bytes would be loaded nowhere. The worker that
        had claimed a file may have died.
        """
        again: list[Item] = []
        loaded: dict[StoredFile, list[Item]] = {}
        workers = 1 if self.plan.dry_run else self.plan.workers
        for item, result in map_unordered(self.backlog.items(), self._load, workers, self.loader.stop):
            if result.status in {"duplicate", "claimed"}:
                again.append(item)
            else:
                self.results.add(result)
            if self.plan.archive and item.dataset and result.status in {"loaded", "replaced", "skipped"}:
                loaded.setdefault(item.file, []).append(item)
        for result in self.backlog.of_no_dataset():
            self.results.add(result)
        for item in again:
            self.backlog.forget(item)
            self.results.add(self._load_unless_claimed(item))
        self._remember()
        if loaded and not self.plan.dry_run:
            self._archive(loaded)
        self._check_landing_zone()

    def _load(self, item: Item) -> FileResult:
        timer = Timer(item.file)
        result = self._load_if_due(item)
        return result if result.status in {"unknown", "unsettled"} else timer.stop(result)

    def _load_if_due(self, item: Item) -> FileResult:
        try:
            with contained(item.file.name):
                return self._load_or_leave(item)
        except FileRefusedError as exc:
            result = _refused(item, exc, is_expected=bool(self.plan.only or self.backlog.loaded_as(item)))
            if item.dataset and result.status == "refused":
                self.loader.record_refused(item.file, item.dataset, result.reason)
            return result

    def _load_or_leave(self, item: Item) -> FileResult:
        try:
            decision = self.backlog.decide(item)
            if item.dataset is None or not decision.is_due:
                return self._leave(item, decision)
            return self.loader.load_claimed(item.file, item.dataset, self.backlog.loaded_as(item), item.layouts)
        except KnownContentError as exc:
            return self._leave(item, self.backlog.decide_known(item, exc.original, exc.checksum))

    def _leave(self, item: Item, decision: Decision) -> FileResult:
        if item.dataset and decision.original and decision.checksum:
            self.loader.record_duplicate(item.file, item.dataset, decision.original, decision.checksum)
        return _not_loaded(item, decision)

    def _load_unless_claimed(self, item: Item) -> FileResult:
        """Load a file. Wait a moment for a claim whose holder has died."""
        timer = Timer(item.file)
        deadline = time.monotonic() + _DEAD_CLAIM_SECONDS
        while True:
            result = self._load_if_due(item)
            if result.status != "claimed" or time.monotonic() > deadline:
                return timer.stop(result)
            time.sleep(0.2)

    def _remember(self) -> None:
        """Remember what makes it unnecessary to open files again."""
        with self.transactions.begin() as connection:
            self.backlog.memory.write(connection)
            if self.backlog.confirmed_versions:
                manifest.remember_versions(connection, self.backlog.confirmed_versions)

    def _archive(self, files: dict[StoredFile, list[Item]]) -> None:
        """Move the files that are loaded for each of their datasets."""
        with self.transactions.begin() as connection:
            loaded = {(f.dataset, f.filename): f.checksum for f in manifest.loaded_files(connection, self.plan.schema)}
        for file, items in files.items():
            if len(items) < items[0].datasets:
                continue
            checksums = {loaded.get((item.dataset.name, file.name)) for item in items if item.dataset}
            checksum = checksums.pop()
            if checksum is None or checksums or not self.storage.archive(file, checksum):
                log.event(
                    f"{file.name} was not archived: it has changed since it was loaded, or cannot be moved",
                    level=log.WARNING,
                )

    def _check_landing_zone(self) -> None:
        if self.plan.only:
            # not all files were looked at
            found = {file.filename for file in self.results.all.files}
            if absent := [n for n in sorted(self.plan.only) if not any(is_inside(each, {n}) for each in found)]:
                raise UsageError(
                    f"not in the landing zone: {', '.join(absent)}",
                    hint="Name each file as the manifest does: by its path below the data directory.",
                )
            return
        if not self.backlog.listed_files:
            if expected := self.backlog.expected_files():
                raise BadDataError(
                    f"the data directory is empty, but the manifest has {expected} files of it",
                    hint="Check that the volume is mounted, and that PIPELINE_DATA_DIR is that of the earlier runs.",
                )
            log.event("the data directory is empty: put exports there, and run again", level=log.WARNING)
            return
        if not self.backlog.has_archived():
            self._note_unrecognised()
        if vanished := self.backlog.vanished():
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
            try:
                decision = self.backlog.decide(item)
            except FileRefusedError as exc:
                self._refuse(item, _refused(item, exc))
                continue
            if item.dataset and decision.is_due:
                items.setdefault(item.dataset.name, []).append((item, item.dataset))
            else:
                self.results.add(_not_loaded(item, decision))
        for result in self.backlog.of_no_dataset():
            self.results.add(result)
        for of_dataset in items.values():
            self._replace(of_dataset[0][1], [item for item, _ in of_dataset])
        if not self.backlog.listed_files:
            raise BadDataError("no files in the data directory", hint="Put exports there, or name another directory.")
        self._note_unrecognised()

    def _replace(self, dataset: Dataset, items: list[Item]) -> None:
        results = []
        try:
            with self.transactions.begin() as connection, connection.cursor() as cursor:
                cursor.execute(SQL("truncate {}").format(Identifier(self.plan.schema, dataset.name)))
                manifest.mark_dataset_replaced(connection, self.plan.schema, dataset.name)
                for item in items:
                    timer = Timer(item.file)
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
                self._refuse(item, result)
            else:
                self.results.add(result)

    def _refuse(self, item: Item, result: FileResult) -> None:
        if item.dataset:
            self.loader.record_refused(item.file, item.dataset, result.reason)
        self.results.add(result)

    def _load(self, connection: db.Connection, item: Item, dataset: Dataset) -> FileResult:
        try:
            with contained(item.file.name):
                try:
                    with db.savepoint(connection):
                        return self.loader.load(connection, item.file, dataset, item.layouts)
                except KnownContentError as exc:
                    return _not_loaded(item, self.backlog.decide_known(item, exc.original, exc.checksum))
        except FileRefusedError as exc:
            return _refused(item, exc)


class _NothingLoadedError(Exception):
    """No file of a dataset could be loaded. Its table keeps its rows."""


def _refused(item: Item, exc: FileRefusedError, *, is_expected: bool = False) -> FileResult:
    """Return the result of a file that cannot be loaded.

    A foreign file is unknown. It is refused if a file of the dataset is expected there: one was loaded under this name,
    or a person has named it.
    """
    if isinstance(exc, ForeignFileError) and not is_expected:
        return FileResult(item.file.name, None, "unknown", reason=str(exc), hint=exc.hint)
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


if __name__ == "__main__":
    sys.argv.insert(1, "ingest")
    runpy.run_module("ingestion", run_name="__main__")
