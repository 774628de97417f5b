"""The order of the steps: migrate, ingest, dbt_build; what a run is, whoever starts it."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID, uuid4

from sqlalchemy import Engine

from ingestion import __version__, db, log, migrate, transform
from ingestion.config import Settings
from ingestion.errors import BadDataError, Interrupted, PipelineError, StatementError
from ingestion.ingest import IngestResult, ingest
from ingestion.run_tracker import RunTracker, Step, exit_code_of, summary_of
from ingestion.signals import Interruptible
from ingestion.storage import open_storage

Command = Literal["run", "migrate", "ingest", "transform"]

_MAX_ATTEMPTS = 3
# serialization failure, deadlock, lock timeout: the same again may well succeed
_TRANSIENT = {"40001", "40P01", "55P03"}


@dataclass
class RunResult:
    """What a run did.

    Arguments:
        run_id: its name.
        steps: what was started, in order.
        ingest: what became of the files, where files were looked at.
        error: what ended it, or None.
        error_summary: one line about that.
        duration_seconds: from start to end.

    """

    run_id: UUID
    steps: list[Step] = field(default_factory=list)
    ingest: IngestResult | None = None
    error: BaseException | None = None
    error_summary: str | None = None
    duration_seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """The exit code for the process; see `errors`."""
        return exit_code_of(self.error) if self.error else 0


def run(settings: Settings, command: Command = "run", *, force: bool = False) -> RunResult:
    """Execute the steps of a command and record them. Call it in the main thread: it handles signals.

    Arguments:
        settings: with a database.
        command: `run` is all steps; `ingest` and `transform` apply sql/ first.
        force: build the models even where nothing has changed.

    Returns:
        What was done. An error is in the result, not raised: the run's record has been completed by then.

    """
    started = time.monotonic()
    result = RunResult(uuid4())
    with log.bound(run_id=str(result.run_id)), Interruptible() as signals:
        try:
            _execute(settings, command, result, force=force)
        except (PipelineError, Interrupted) as exc:
            result.error = exc
        except Exception as exc:  # noqa: BLE001  (a bug of ours ends as a recorded failure too)
            result.error = exc
            log.logger.exception("a bug: please report it", extra={"fields": {"run_id": str(result.run_id)}})
        if signals.received and not isinstance(result.error, Interrupted):
            result.error = Interrupted(signals.received)
        result.duration_seconds = time.monotonic() - started
        if result.error:
            result.error_summary = result.error_summary or summary_of(result.error)
            _report_termination(settings, result.error_summary)
        log.event(
            f"run failed: {result.error_summary}" if result.error else "run succeeded",
            level=log.ERROR if result.error else log.INFO,
            step="run",
            status="failure" if result.error else "success",
            duration_ms=round(result.duration_seconds * 1000),
            exit_code=result.exit_code,
        )
    return result


def _execute(settings: Settings, command: Command, result: RunResult, *, force: bool) -> None:
    log.event(f"{command} started", step="run", status="started", duration_ms=0, application_version=__version__)
    engine = db.create_engine(settings)
    db.wait_until_ready(engine, settings.db_wait_seconds)
    tracker = RunTracker(
        engine,
        result.run_id,
        command,
        role=settings.loader_role,
        lock_wait_seconds=settings.lock_wait_seconds if settings.on_concurrent_run == "wait" else 0,
    )
    result.steps = tracker.steps
    try:
        with tracker:
            _steps(settings, engine, command, tracker, result, force=force)
    except BaseException as exc:
        result.error_summary = tracker.error_summary(exc)
        raise


def _steps(
    settings: Settings, engine: Engine, command: Command, tracker: RunTracker, result: RunResult, *, force: bool
) -> None:
    with tracker.step("migrate") as step:
        step.detail = {"applied": _migrate(settings, engine, result.run_id)}
        step.skipped = None if step.detail["applied"] else "sql/ is applied"
    tracker.schema_is_ready()
    refused: BadDataError | None = None
    if command in {"run", "ingest"}:
        try:
            _with_retry(tracker, "ingest", lambda step: _ingest(settings, engine, step, result))
        except FilesRefusedError as exc:
            # the good files are loaded: their marts are built before the run ends as a failure
            refused = exc
    if command in {"run", "transform"}:
        _with_retry(
            tracker,
            "dbt_build",
            lambda step: transform.build(engine, settings, result.run_id, step, schema=settings.schema, force=force),
        )
    if refused:
        raise refused


def _migrate(settings: Settings, engine: Engine, run_id: UUID) -> list[str]:
    return migrate.migrate(
        engine,
        run_id=run_id,
        role=settings.owner_role,
        on_applied=lambda migration, ms: log.event(f"applied {migration.file}", file=migration.file, duration_ms=ms),
    )


def _ingest(settings: Settings, engine: Engine, step: Step, result: RunResult) -> None:
    result.ingest = ingest(
        engine,
        open_storage(settings.landing_zone),
        result.run_id,
        schema=settings.schema,
        use_manifest=settings.use_manifest,
        role=settings.loader_role,
    )
    counts = result.ingest.counts
    step.rows_in, step.rows_out, step.rows_rejected = counts.read, counts.loaded, counts.rejected
    step.detail = {"files": result.ingest.by_status()}
    if refused := result.ingest.refused:
        first, more = refused[0], len(refused) - 1
        raise FilesRefusedError(
            f"{first.filename}: {first.reason}" + (f" (and {more} more files)" if more else ""), hint=first.hint
        )


def _with_retry(tracker: RunTracker, name: str, work: Callable[[Step], None]) -> None:
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        try:
            with tracker.step(name, attempt) as step:
                work(step)
        except StatementError as exc:
            if exc.sqlstate not in _TRANSIENT or attempt == _MAX_ATTEMPTS:
                raise
            time.sleep(attempt)
        else:
            return


def _report_termination(settings: Settings, error_summary: str) -> None:
    if settings.termination_log:
        try:
            settings.termination_log.write_text(error_summary, encoding="utf-8")
        except OSError as exc:
            log.event(f"the termination log could not be written: {exc.strerror}", level=log.WARNING)


class FilesRefusedError(BadDataError):
    """Some files were refused; the others are loaded."""


if __name__ == "__main__":
    from ingestion.__main__ import main

    sys.exit(main(["run", *sys.argv[1:]]))
