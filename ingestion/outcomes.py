"""What happened to the files of an ingest: collected, logged, and passed on."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from ingestion import log
from ingestion.load.candidates import shown
from ingestion.recognition import named
from ingestion.results import FileResult, IngestResult
from ingestion.storage import StoredFile


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
    """Measures how long one file takes, from its construction.

    Arguments:
        file: the file, as listed.

    """

    def __init__(self, file: StoredFile) -> None:
        self._size = file.size
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()

    def stop(self, result: FileResult) -> FileResult:
        """Return a result with the size of the file and the time that it took."""
        duration_ms = round((time.monotonic() - self._started) * 1000)
        return replace(result, size=self._size, started_at=self._started_at, duration_ms=duration_ms)


def _message(result: FileResult) -> str:
    counts = result.counts
    dataset = f" ({result.dataset})" if len(named(result.filename)) != 1 else ""
    text = f"{result.filename}{dataset}: {result.status}"
    if result.status in {"loaded", "replaced"}:
        text += f", {counts.loaded} rows" + (f", {counts.rejected} rejected" if counts.rejected else "")
    if result.extra:
        text += f", undeclared columns kept in _extra: {shown(result.extra)}"
    if result.remarks:
        text += f" ({'; '.join(map(str, result.remarks))})"
    return text + (f": {result.reason}" if result.reason else "")
