"""What happened to the files of an ingest: collected, logged, and passed on."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ingestion import log
from ingestion.load.candidates import shown
from ingestion.recognition import named
from ingestion.results import FileResult, IngestResult
from ingestion.storage import StoredFile

# what opening a file costs, as bytes
_LEAST_BYTES = 1 << 14
_NOT_OPENED = {"unknown", "unsettled"}


class Results:
    """Collects, logs and passes on what happened to each file.

    Arguments:
        on_file: called with each result; must not raise.

    """

    def __init__(self, on_file: Callable[[FileResult], None] | None) -> None:
        self._on_file = on_file
        self.all = IngestResult()

    def add(self, result: FileResult) -> None:
        """Add the result of a file."""
        self.all.files.append(result)
        if self._on_file:
            self._on_file(result)
        if result.status == "skipped":
            return
        is_warning = result.status == "unknown" or result.counts.rejected or result.is_strange
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


class Timer:
    """Measures how long files take, from its construction.

    Arguments:
        files: the files, as listed, that are worked on together.

    """

    def __init__(self, files: Sequence[StoredFile]) -> None:
        self._sizes = [file.size for file in files]
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()

    def stop(self, results: Sequence[FileResult]) -> list[FileResult]:
        """Return results with the sizes of the files, and the share of each in the time that all of them took.

        Arguments:
            results: the results of the files, in their order.

        """
        milliseconds = (time.monotonic() - self._started) * 1000
        weights = [_LEAST_BYTES + size for size in self._sizes]
        scale = milliseconds / sum(weights) if weights else 0.0
        return [
            replace(result, size=size, started_at=self._started_at, duration_ms=round(scale * weight))
            if result.status not in _NOT_OPENED
            else result
            for result, size, weight in zip(results, self._sizes, weights, strict=True)
        ]


def _message(result: FileResult) -> str:
    counts = result.counts
    dataset = f" ({result.dataset})" if result.dataset and len(named(result.filename)) != 1 else ""
    text = f"{result.filename}{dataset}: {result.status}"
    if result.status in {"loaded", "replaced"}:
        text += f", {counts.loaded} rows" + (f", {counts.rejected} rejected" if counts.rejected else "")
    if result.extra:
        text += f", undeclared columns kept in _extra: {shown(result.extra)}"
    if result.remarks:
        text += f" ({'; '.join(map(str, result.remarks))})"
    return text + (f": {result.reason}" if result.reason else "")
