"""Run a command: its steps in order, their record, signals and observers."""

import runpy
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import replace
from uuid import uuid4

from ingestion import __version__, db, lineage, log, migrate, report, telemetry
from ingestion.alerts import alerts_for
from ingestion.config import Settings
from ingestion.digest import digest_for
from ingestion.errors import (
    DatabaseUnavailableError,
    FilesRefusedError,
    Interrupted,
    PipelineError,
    StatementError,
)
from ingestion.ingest import ingest
from ingestion.observers import Observer, Observers
from ingestion.results import Command, IngestResult, RunResult, Step
from ingestion.run_tracker import RunTracker, summary_of
from ingestion.signals import Interruptible
from ingestion.steps import RunOptions, Steps, plan_of
from ingestion.storage import open_storage

# after migrate, with which every command begins; a failed run ends with a report, too
STEPS: dict[Command, tuple[str, ...]] = {
    "run": ("ingest", "dbt_build", "report"),
    "migrate": (),
    "ingest": ("ingest",),
    "transform": ("dbt_build", "report"),
    "reload": ("ingest", "dbt_build", "report"),
    "retract": ("retract", "dbt_build", "report"),
    "erase": ("erase", "dbt_build", "report"),
    "replay": ("replay", "dbt_build", "report"),
}

_REPORT = "report"
# commands that may end without a connection for their work: there may be nothing to migrate or to build
_LOOKS_FIRST = {"migrate", "transform"}
_MAX_ATTEMPTS = 3
# serialization failure, deadlock, lock timeout: another attempt may succeed
_TRANSIENT = {"40001", "40P01", "55P03"}


def run(
    settings: Settings,
    command: Command = "run",
    options: RunOptions | None = None,
    *,
    more_observers: Iterable[Observer] = (),
) -> RunResult:
    """Run the steps of a command and record them. Call this in the main thread, because it handles signals.

    Arguments:
        settings: the settings, with a database.
        command: the command; see `STEPS`.
        options: the options of the command.
        more_observers: observers besides those that the settings ask for.

    Returns:
        What was done. Errors are in the result and not raised, because the run is recorded by then.

    """
    started = time.monotonic()
    result = RunResult(command)
    observers = Observers([*observers_for(settings), *more_observers])
    with log.bound(run_id=str(result.run_id)), Interruptible() as signals:
        try:
            with db.translated():
                observers.run_started(result)
                _execute(settings, options or RunOptions(), result, observers, signals)
        except (PipelineError, Interrupted) as exc:
            result.error = exc
        except Exception as exc:  # noqa: BLE001  (a bug is recorded as a failure, too)
            result.error = exc
            log.logger.exception("a bug: please report it", extra={"fields": {"run_id": str(result.run_id)}})
        signals.hold()
        if result.error and signals.received and signals.has_interrupted:
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
        # the run is recorded: a signal only stops the observers
        with suppress(Interrupted), signals.released():
            observers.run_ended(result)
    return result


def report_failed_start(settings: Settings, command: Command, error: PipelineError) -> None:
    """Notify the observers of a run that could not start without a database.

    Arguments:
        settings: the settings.
        command: the command.
        error: why it could not start.

    """
    result = RunResult(command, error=error, error_summary=summary_of(error))
    observers = Observers(observers_for(settings))
    with log.bound(run_id=str(result.run_id)):
        _report_termination(settings, summary_of(error))
        observers.run_started(result)
        observers.run_ended(result)


def dry_run(settings: Settings, options: RunOptions | None = None) -> IngestResult:
    """Load the files in the database and roll back. This records no run and applies no migration.

    Arguments:
        settings: the settings, with a database.
        options: the options of the command.

    Returns:
        What would happen to each file.

    Raises:
        ConfigurationError: some migrations are not applied.

    """
    with Interruptible():
        engine = db.ready_engine(settings)
        with db.session(engine) as connection:
            migrate.check_applied(connection)
        plan = replace(plan_of(settings, options), dry_run=True)
        storage = open_storage(settings.landing_zone, timeout_seconds=settings.storage_timeout_seconds)
        return ingest(engine, storage, uuid4(), plan, role=settings.loader_role)


def observers_for(settings: Settings) -> list[Observer]:
    """Return the observers that the settings ask for.

    Arguments:
        settings: the settings.

    """
    return [
        *alerts_for(settings),
        # after the alerts, which close what the run has mended
        *digest_for(settings),
        *telemetry.observers_of(settings.telemetry),
        *lineage.observers_of(settings),
    ]


def _execute(
    settings: Settings, options: RunOptions, result: RunResult, observers: Observers, signals: Interruptible
) -> None:
    command = result.command
    log.event(f"{command} started", step="run", status="started", duration_ms=0, application_version=__version__)
    # what the steps do ends with the locks of the run
    engine = db.create_engine(settings, run_id=result.run_id)
    tracker = RunTracker(
        db.ready_engine(settings),
        result.run_id,
        command,
        role=settings.loader_role,
        lock_wait_seconds=settings.lock_wait_seconds if settings.on_concurrent_run == "wait" else 0,
        # several runs may share the files: each claims those that it loads
        shared=command == "ingest" and settings.use_manifest,
        observer=observers,
        # most likely, the first step after migrate needs a connection of its own
        on_locked=engine.start_connecting if command not in _LOOKS_FIRST else None,
        on_loss=signals.interrupt,
    )
    result.steps = tracker.steps
    steps = Steps(settings, engine, tracker.looking, options=options, result=result, observers=observers)
    try:
        with closing(engine), tracker, signals.as_interruption():
            with tracker.step("migrate") as step:
                steps.migrate(step)
            tracker.record_from_here()
            try:
                _run_steps(tracker, steps, command)
            except DatabaseUnavailableError:
                raise
            except Exception as exc:
                _write_report(tracker, steps, command, exc)
                raise
            _write_report(tracker, steps, command)
    except BaseException as exc:
        result.error_summary = tracker.error_summary(exc)
        raise


def _run_steps(tracker: RunTracker, steps: Steps, command: Command) -> None:
    refused: FilesRefusedError | None = None
    for name in STEPS[command]:
        if name == _REPORT:
            continue
        try:
            _with_retry(tracker, name, getattr(steps, name))
        except FilesRefusedError as exc:
            # the good files are loaded, so build their marts before the run fails
            refused = exc
    if refused:
        raise refused


def _write_report(tracker: RunTracker, steps: Steps, command: Command, error: Exception | None = None) -> None:
    """Write the report, of a failed run, too. A failure to write it does not fail the run."""
    if _REPORT not in STEPS[command]:
        return
    outcome = report.Outcome(tracker.error_summary(error) if error else None, getattr(error, "hint", None))
    try:
        with tracker.step(_REPORT, can_fail_run=False) as step:
            steps.report(step, outcome)
    except PipelineError as exc:
        log.event(f"could not write the report: {summary_of(exc)}", level=log.WARNING, hint=exc.hint)
    except Exception:  # noqa: BLE001  (a bug in the report must not fail the run)
        log.logger.exception("could not write the report because of a bug: please report it")


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
            log.event(f"could not write the termination log: {exc.strerror}", level=log.WARNING)


if __name__ == "__main__":
    sys.argv.insert(1, "run")
    runpy.run_module("ingestion", run_name="__main__")
