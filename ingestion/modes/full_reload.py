"""Replace what the raw tables hold by what the files hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from psycopg2.sql import SQL, Identifier

from ingestion import db, log, manifest
from ingestion.backlog import Item
from ingestion.errors import BadDataError, FileRefusedError
from ingestion.file_transaction import Due
from ingestion.modes.grouping import groups
from ingestion.modes.mode import Mode, not_loaded
from ingestion.outcomes import Timer
from ingestion.results import FileResult
from ingestion.sources import Dataset


class FullReload(Mode):
    """Replaces what the raw tables hold by what the files hold, each dataset in one transaction."""

    def run(self) -> None:
        """Load all files."""
        items: dict[str, list[Item]] = {}
        datasets: dict[str, Dataset] = {}
        for item in self.backlog.items():
            try:
                decision = self.backlog.decide(item)
            except FileRefusedError as exc:
                self._finish([item], [self.result_of(item, exc)])
                continue
            if item.dataset and decision.is_due:
                items.setdefault(item.dataset.name, []).append(item)
                datasets[item.dataset.name] = item.dataset
            else:
                self.results.add(not_loaded(item, decision))
        for result in self.backlog.of_no_dataset():
            self.results.add(result)
        for name, dataset in datasets.items():
            self._replace(dataset, items[name])
        if not self.backlog.listed_files:
            raise BadDataError("no files in the data directory", hint="Put exports there, or name another directory.")
        self.note_unrecognised()

    def _replace(self, dataset: Dataset, items: list[Item]) -> None:
        results: list[FileResult] = []
        try:
            with self.transactions.begin() as connection, connection.cursor() as cursor:
                cursor.execute(SQL("truncate {}").format(Identifier(self.plan.schema, dataset.name)))
                manifest.mark_dataset_replaced(connection, self.plan.schema, dataset.name)
                for group in groups(items, lambda _: False):
                    timer = Timer([item.file for item in group])
                    due = [Due(item.file, dataset, item.layouts) for item in group]
                    outcomes = self.loader.load(due, partial(_part_of, connection))
                    results += timer.stop([self.result_of(*each) for each in zip(group, outcomes, strict=True)])
                if not any(result.status == "loaded" for result in results):
                    raise _NothingLoadedError
        except _NothingLoadedError:
            log.event(
                f"{dataset.name} keeps its rows: none of its files could be loaded",
                level=log.WARNING,
                dataset=dataset.name,
            )
        self._finish(items, results)

    def _finish(self, items: list[Item], results: list[FileResult]) -> None:
        self.record_refused(items, results)
        for result in results:
            self.results.add(result)


class _NothingLoadedError(Exception):
    """No file of a dataset could be loaded. Its table keeps its rows."""


@contextmanager
def _part_of(connection: db.Connection) -> Iterator[db.Connection]:
    """Run the block in a savepoint of a transaction."""
    with db.savepoint(connection):
        yield connection
