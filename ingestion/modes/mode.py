"""What both modes of an ingest have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingestion import log
from ingestion.backlog import Backlog, Decision, Item
from ingestion.errors import FileRefusedError, ForeignFileError
from ingestion.file_transaction import Due, FileLoader, KnownContent, Outcome, Transactions
from ingestion.modes.plan import Plan
from ingestion.outcomes import Results
from ingestion.results import FileResult, FileStatus
from ingestion.storage import Storage

# what a file that is not loaded is called in the result
_STATUSES: dict[str, FileStatus] = {
    "known": "skipped",
    "duplicate": "duplicate",
    "retracted": "retracted",
    "unsettled": "unsettled",
    "unknown": "unknown",
}


@dataclass(frozen=True)
class Mode:
    """A mode of an ingest.

    Arguments:
        transactions: where transactions come from.
        storage: the landing zone.
        plan: how to load it.
        loader: loads files.
        backlog: which files there are.
        results: collects what happened to them.

    """

    transactions: Transactions
    storage: Storage
    plan: Plan
    loader: FileLoader
    backlog: Backlog
    results: Results

    def result_of(self, item: Item, outcome: Outcome, *, is_expected: bool = False) -> FileResult:
        """Return the result of a file.

        Arguments:
            item: the file.
            outcome: what happened to it.
            is_expected: whether a file of its dataset is expected under its name.

        """
        if isinstance(outcome, FileRefusedError):
            return refused(item, outcome, is_expected=is_expected)
        if isinstance(outcome, KnownContent):
            return not_loaded(item, self.backlog.decide_known(item, outcome.original, outcome.checksum))
        return outcome

    def record_refused(self, items: Sequence[Item], results: Sequence[FileResult]) -> None:
        """Record the files of a dataset that are refused.

        Arguments:
            items: files.
            results: what happened to each of them.

        """
        self.loader.record_refused(
            [
                (Due(item.file, item.dataset), result.reason)
                for item, result in zip(items, results, strict=True)
                if item.dataset and result.status == "refused"
            ]
        )

    def note_unrecognised(self) -> None:
        """Note in the result if not one of the listed files belongs to a dataset."""
        if not self.plan.only and not self.backlog.recognised_files:
            self.results.all.unrecognised = self.backlog.listed_files


def refused(item: Item, exc: FileRefusedError, *, is_expected: bool = False) -> FileResult:
    """Return the result of a file that cannot be loaded.

    A foreign file is unknown. It is refused if a file of the dataset is expected there: one was loaded under this name,
    or a person has named it.

    Arguments:
        item: the file.
        exc: why it cannot be loaded.
        is_expected: whether a file of its dataset is expected under its name.

    """
    if isinstance(exc, ForeignFileError) and not is_expected:
        return FileResult(item.file.name, None, "unknown", reason=str(exc), hint=exc.hint)
    dataset = item.dataset.name if item.dataset else None
    return FileResult(item.file.name, dataset, "refused", reason=log.redact(str(exc)), hint=exc.hint)


def not_loaded(item: Item, decision: Decision) -> FileResult:
    """Return the result of a file that is not to be loaded.

    Arguments:
        item: the file.
        decision: why.

    """
    return FileResult(
        item.file.name,
        item.dataset.name if item.dataset else None,
        _STATUSES[decision.state],
        reason=decision.reason,
        hint=decision.hint,
        checksum=decision.checksum if decision.state == "duplicate" else None,
    )
