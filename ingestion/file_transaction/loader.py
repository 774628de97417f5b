"""Load files, several in a transaction where they are small."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from ingestion import db, log, manifest
from ingestion.containment import contained
from ingestion.errors import FileRefusedError
from ingestion.file_transaction.context import Context
from ingestion.file_transaction.files import Due, Outcome, UndoneError
from ingestion.file_transaction.group import Group
from ingestion.file_transaction.transactions import Transactions
from ingestion.load.stream import checksum_of
from ingestion.manifest import NotLoaded

Begin = Callable[[], AbstractContextManager[db.Connection]]


class FileLoader:
    """Loads and records files. Several threads may use it at the same time.

    Arguments:
        context: what all transactions need.
        transactions: where they come from.

    """

    def __init__(self, context: Context, transactions: Transactions) -> None:
        self.context = context
        self._transactions = transactions

    def load(self, files: Sequence[Due], begin: Begin | None = None) -> list[Outcome]:
        """Load files in as few transactions as they allow. Each is loaded completely or not at all.

        Arguments:
            files: the files.
            begin: opens a transaction, or a savepoint of one; a transaction of the ingest where this is None.

        Returns:
            What happened to each file, in their order.

        Raises:
            PipelineError: the cause is not a file: others would fail as well. What was committed before stays loaded.

        """
        outcomes: dict[int, Outcome] = {}
        while left := [place for place in range(len(files)) if place not in outcomes]:
            found = self._load_some([files[place] for place in left], begin or self._transactions.begin)
            outcomes |= {left[place]: outcome for place, outcome in found.items()}
        return [outcomes[place] for place in range(len(files))]

    def record_refused(self, files: Sequence[tuple[Due, str | None]]) -> None:
        """Record refused files whose bytes can be read, and whose names the manifest can hold.

        Arguments:
            files: the files, each with the reason.

        """
        records = [record for due, reason in files if (record := self._refused(due, reason))]
        if records:
            with self._transactions.begin() as connection:
                manifest.record_not_loaded(connection, records, self.context.run_id)

    def _load_some(self, files: Sequence[Due], begin: Begin) -> Mapping[int, Outcome]:
        """Load some of the files in one transaction, at least one of them."""
        try:
            with contained(files[0].file.name if len(files) == 1 else f"a group of {len(files)} files"):
                try:
                    return self._load_group(files, begin)
                except UndoneError as exc:
                    return exc.outcomes
        except FileRefusedError as exc:
            if len(files) == 1:
                return {0: exc}
        # one of them does not agree with the others
        return {place: self._load_some([due], begin)[0] for place, due in enumerate(files)}

    def _load_group(self, files: Sequence[Due], begin: Begin) -> Mapping[int, Outcome]:
        with begin() as connection, self.context.recorded_claims(files):
            group = Group(self.context, connection, files)
            group.claim()
            group.load()
            group.settle()
        group.commit()
        return group.outcomes

    def _refused(self, due: Due, reason: str | None) -> NotLoaded | None:
        try:
            with contained(due.file.name):
                manifest.check_name(due.file.name)
                entry = due.entry(self.context.schema, checksum_of(self.context.storage, due.file))
                return NotLoaded(entry, "refused", reason=reason)
        except FileRefusedError as exc:
            log.event(f"the manifest does not record {due.file.name}: {exc}", file=due.file.name)
            return None
