"""Load what the manifest does not have yet."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ingestion import log, manifest
from ingestion.backlog import Item
from ingestion.containment import contained
from ingestion.errors import BadDataError, FileRefusedError, UsageError
from ingestion.file_transaction import Due, Outcome
from ingestion.modes.grouping import groups
from ingestion.modes.mode import Mode, not_loaded
from ingestion.outcomes import Timer
from ingestion.results import FileResult
from ingestion.storage import StoredFile, is_inside
from ingestion.workers import map_unordered

# the server notices within 2 s that a worker has gone (see db.create_engine), and frees its claims
_DEAD_CLAIM_SECONDS = 3.0
_NONE_KNOWN: Mapping[str, str | None] = MappingProxyType({})


class ManifestLoad(Mode):
    """Loads what the manifest does not have yet. The rows of a file commit with its record."""

    def run(self) -> None:
        """Load the backlog, and look at duplicates and claimed files again at the end.

        A duplicate's original may have been replaced by then, and its bytes would be loaded nowhere. The worker that
        had claimed a file may have died.
        """
        again: list[Item] = []
        checksums: dict[str, str | None] = {}
        loaded: dict[StoredFile, list[Item]] = {}
        workers = 1 if self.plan.dry_run else self.plan.workers
        batches = groups(self.backlog.items(), self.backlog.is_surely_known)
        for items, results in map_unordered(batches, self._load, workers, self.loader.context.stop):
            for item, result in zip(items, results, strict=True):
                if result.status in {"duplicate", "claimed"}:
                    again.append(item)
                    checksums[item.file.name] = result.checksum
                else:
                    self.results.add(result)
                if self.plan.archive and item.dataset and result.status in {"loaded", "replaced", "skipped"}:
                    loaded.setdefault(item.file, []).append(item)
        for result in self.backlog.of_no_dataset():
            self.results.add(result)
        for item in again:
            self.backlog.forget(item)
        for items in groups(again, lambda _: False):
            self._load_unless_claimed(items, checksums)
        self._remember()
        if loaded and not self.plan.dry_run:
            self._archive(loaded)
        self._check_landing_zone()

    def _load(self, items: Sequence[Item], checksums: Mapping[str, str | None] = _NONE_KNOWN) -> list[FileResult]:
        timer = Timer([item.file for item in items])
        decided = [self._decide(item, checksums.get(item.file.name)) for item in items]
        loaded = iter(self.loader.load([each for each in decided if isinstance(each, Due)]))
        outcomes = (next(loaded) if isinstance(each, Due) else each for each in decided)
        results = [self._result(*each) for each in zip(items, outcomes, strict=True)]
        self.record_refused(items, results)
        return timer.stop(results)

    def _decide(self, item: Item, checksum: str | None) -> Due | Outcome:
        """Return a file that is to be loaded, or what happens to it otherwise."""
        try:
            with contained(item.file.name):
                decision = self.backlog.decide(item)
        except FileRefusedError as exc:
            return exc
        # the transaction that records a duplicate looks whether it still is one
        if item.dataset and (decision.is_due or decision.original):
            known = self.backlog.loaded_as(item)
            return Due(item.file, item.dataset, item.layouts, known, decision.checksum or checksum)
        return not_loaded(item, decision)

    def _result(self, item: Item, outcome: Outcome) -> FileResult:
        return self.result_of(item, outcome, is_expected=bool(self.plan.only or self.backlog.loaded_as(item)))

    def _load_unless_claimed(self, items: Sequence[Item], checksums: Mapping[str, str | None]) -> None:
        """Load files. Wait a moment for claims whose holders have died."""
        deadline = time.monotonic() + _DEAD_CLAIM_SECONDS
        while items:
            is_over = time.monotonic() > deadline
            claimed = []
            for item, result in zip(items, self._load(items, checksums), strict=True):
                if result.status == "claimed" and not is_over:
                    claimed.append(item)
                else:
                    self.results.add(result)
            items = claimed
            if items:
                time.sleep(0.2)

    def _remember(self) -> None:
        """Remember what makes it unnecessary to open files again."""
        if not self.backlog.memory.has_news and not self.backlog.confirmed_versions:
            return
        with self.transactions.begin() as connection:
            self.backlog.memory.write(connection)
            if self.backlog.confirmed_versions:
                manifest.remember_versions(connection, self.backlog.confirmed_versions)

    def _archive(self, files: dict[StoredFile, list[Item]]) -> None:
        """Move the files that are loaded for each of their datasets."""
        with self.transactions.read() as connection:
            contents = manifest.contents(connection, self.plan.schema)
        loaded = {(file.dataset, file.filename): file.checksum for file in contents.loaded}
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
            self.note_unrecognised()
        if vanished := self.backlog.vanished():
            self.results.all.vanished = vanished
            log.event(
                f"{len(vanished)} loaded files are no longer in the landing zone; their rows stay",
                level=log.WARNING,
                files=vanished[:10],
                hint="To remove their rows, run: python -m ingestion retract FILE --reason WHY",
            )
