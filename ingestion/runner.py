"""The order of the steps: migrate, ingest, dbt_build, report; what a run is, whoever starts it."""

import runpy
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Engine

from ingestion import __version__, db, lineage, log, migrate, report, retraction, telemetry, transform
from ingestion.alerts import alerts_for
from ingestion.config import Settings
from ingestion.errors import (
    BadDataError,
    ConfigurationError,
    DatabaseUnavailableError,
    Interrupted,
    PipelineError,
    StatementError,
    UsageError,
)
from ingestion.ingest import Plan, ingest
from ingestion.observers import Observer, Observers
from ingestion.replay import replay
from ingestion.results import Command, IngestResult, NodeResult, RunResult, Step
from ingestion.run_tracker import RunTracker, summary_of
from ingestion.signals import Interruptible
from ingestion.storage import open_storage

# what follows migrate, which every command begins with; what builds the marts ends with a report, also where it fails
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
_MAX_ATTEMPTS = 3
# serialization failure, deadlock, lock timeout: the same again may well succeed
_TRANSIENT = {"40001", "40P01", "55P03"}


@dataclass(frozen=True)
class Order:
    """What a command is to work on, beside the settings.

    Arguments:
        force: load what is loaded already, or build what has not changed.
        filenames: for reload, retract and replay: names in the landing zone.
        since: for ingest: look at files written since then.
        retract_vanished: for ingest: retract what is no longer in the landing zone.
        reason: for retract: why.
        user_id: for erase: whom.

    """

    force: bool = False
    filenames: tuple[str, ...] = ()
    since: datetime | None = None
    retract_vanished: bool = False
    reason: str = ""
    user_id: int | None = field(default=None, repr=False)


def run(settings: Settings, command: Command = "run", order: Order | None = None) -> RunResult:
    """Execute the steps of a command and record them. Call it in the main thread: it handles signals.

    Arguments:
        settings: with a database.
        command: see `STEPS`; sql/ is applied first, always.
        order: what to work on, where the command needs to be told.

    Returns:
        What was done. An error is in the result, not raised: the run's record has been completed by then.

    """
    started = time.monotonic()
    result = RunResult(command)
    observers = Observers(observers_for(settings))
    with log.bound(run_id=str(result.run_id)), Interruptible() as signals:
        try:
            observers.run_started(result)
            _execute(settings, order or Order(), result, observers, signals)
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
        # all is done and recorded: a signal ends what observers still do, and no more
        with suppress(Interrupted):
            observers.run_ended(result)
    return result


def report_unstarted(settings: Settings, command: Command, error: PipelineError) -> None:
    """Tell of a run that could not begin, for want of a database: nothing but this is known of it.

    Arguments:
        settings: as far as they are known.
        command: what was called.
        error: what is in its way.

    """
    result = RunResult(command, error=error, error_summary=summary_of(error))
    observers = Observers(observers_for(settings))
    with log.bound(run_id=str(result.run_id)):
        _report_termination(settings, summary_of(error))
        observers.run_started(result)
        observers.run_ended(result)


def rehearse(settings: Settings, order: Order | None = None) -> IngestResult:
    """Do the whole ingest in the database and roll it back. No run is recorded, and sql/ is not applied.

    Arguments:
        settings: with a database.
        order: what to work on.

    Returns:
        What would become of each file.

    Raises:
        ConfigurationError: sql/ has files that are not applied yet.

    """
    with Interruptible():
        engine = db.ready_engine(settings)
        with db.session(engine) as connection:
            pending = migrate.state(connection, migrate.read_migrations()).pending
        if pending:
            raise ConfigurationError(
                f"{len(pending)} files of sql/ are not applied", hint="Apply them first: python -m ingestion migrate"
            )
        plan = replace(plan_of(settings, order), dry_run=True)
        storage = open_storage(settings.landing_zone, timeout_seconds=settings.storage_timeout_seconds)
        return ingest(engine, storage, uuid4(), plan, role=settings.loader_role)


def observers_for(settings: Settings) -> list[Observer]:
    """Return those who are told of a run, as the settings want it.

    Arguments:
        settings: of the run.

    """
    return [*alerts_for(settings), *telemetry.observers_of(settings.telemetry), *lineage.observers_of(settings)]


def _execute(settings: Settings, order: Order, result: RunResult, observers: Observers, signals: Interruptible) -> None:
    command = result.command
    log.event(f"{command} started", step="run", status="started", duration_ms=0, application_version=__version__)
    engine = db.ready_engine(settings)
    tracker = RunTracker(
        engine,
        result.run_id,
        command,
        role=settings.loader_role,
        lock_wait_seconds=settings.lock_wait_seconds if settings.on_concurrent_run == "wait" else 0,
        # workers of one backlog: each claims its files in the database
        shared=command == "ingest" and settings.use_manifest,
        watcher=observers,
    )
    result.steps = tracker.steps
    job = _Job(settings, engine, order, result, observers)
    try:
        with tracker, signals.named():
            with tracker.step("migrate") as step:
                job.migrate(step)
            tracker.schema_is_ready()
            try:
                _work(tracker, job, command)
            except DatabaseUnavailableError:
                raise
            except Exception as exc:
                _report(tracker, job, command, exc)
                raise
            _report(tracker, job, command)
    except BaseException as exc:
        result.error_summary = tracker.error_summary(exc)
        raise


def _work(tracker: RunTracker, job: "_Job", command: Command) -> None:
    refused: FilesRefusedError | None = None
    for name in STEPS[command]:
        if name == _REPORT:
            continue
        try:
            _with_retry(tracker, name, getattr(job, name))
        except FilesRefusedError as exc:
            # the good files are loaded: their marts are built before the run ends as a failure
            refused = exc
    if refused:
        raise refused


def _report(tracker: RunTracker, job: "_Job", command: Command, error: Exception | None = None) -> None:
    """Write the report, also of a run that fails; where that does not succeed the run is none the worse."""
    if _REPORT not in STEPS[command]:
        return
    outcome = report.Outcome(tracker.error_summary(error) if error else None, getattr(error, "hint", None))
    try:
        with tracker.step(_REPORT, decides=False) as step:
            job.report(step, outcome)
    except PipelineError as exc:
        log.event(f"no report was written, and the run goes on: {summary_of(exc)}", level=log.WARNING, hint=exc.hint)
    except Exception:  # noqa: BLE001  (a bug in the report is no reason to lose a run)
        log.logger.exception("no report was written, and the run goes on: a bug, please report it")


class _Job:
    """The steps, by their names."""

    def __init__(
        self, settings: Settings, engine: Engine, order: Order, result: RunResult, observers: Observers
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._order = order
        self._result = result
        self._observers = observers
        self._full_refresh = False

    def migrate(self, step: Step) -> None:
        applied = migrate.migrate(
            self._engine,
            run_id=self._result.run_id,
            role=self._settings.owner_role,
            on_applied=lambda migration, ms: log.event(
                f"applied {migration.file}", file=migration.file, duration_ms=ms
            ),
        )
        step.detail = {"applied": applied}
        step.skipped = None if applied else "sql/ is applied"

    def ingest(self, step: Step) -> None:
        result = ingest(
            self._engine,
            open_storage(self._settings.landing_zone, timeout_seconds=self._settings.storage_timeout_seconds),
            self._result.run_id,
            plan_of(self._settings, self._order),
            role=self._settings.loader_role,
            on_file=self._observers.file_ended,
        )
        self._result.ingest = result
        counts = result.counts
        step.rows_in, step.rows_out, step.rows_rejected = counts.read, counts.loaded, counts.rejected
        step.detail = {"files": result.by_status(), "vanished": len(result.vanished)}
        if self._order.retract_vanished and result.vanished:
            self._retract(result.vanished, "no longer in the landing zone")
        if refused := result.refused:
            first, more = refused[0], len(refused) - 1
            raise FilesRefusedError(
                f"{first.filename}: {first.reason}" + (f" (and {more} more files)" if more else ""), hint=first.hint
            )

    def retract(self, step: Step) -> None:
        self._retract(self._order.filenames, self._order.reason)
        step.rows_out = sum(file.rows for file in self._result.retracted)
        step.detail = {"files": len(self._result.retracted), "reason": self._order.reason}

    def _retract(self, filenames: Iterable[str], reason: str) -> None:
        with self._transaction() as connection:
            for name in filenames:
                self._result.retracted += retraction.retract(
                    connection, self._settings.schema, name, reason, self._result.run_id
                )

    def replay(self, step: Step) -> None:
        with self._transaction() as connection:
            for name in self._order.filenames:
                self._result.replayed += replay(connection, self._settings.schema, name)
        self._full_refresh = any(file.loaded for file in self._result.replayed)
        step.rows_out = sum(file.loaded for file in self._result.replayed)
        step.rows_rejected = sum(file.rejected for file in self._result.replayed)
        step.rows_in = step.rows_out + step.rows_rejected

    def erase(self, step: Step) -> None:
        if self._order.user_id is None:
            raise UsageError("nobody to erase", hint="Name them with --user-id.")
        with self._transaction() as connection:
            receipt = retraction.erase(
                connection,
                self._settings.schema,
                self._order.user_id,
                self._settings.erasure_key,
                self._result.run_id,
            )
        with db.transaction(self._engine, role=self._settings.transformer_role) as connection:
            receipt.rows |= retraction.erase_from_models(connection, self._order.user_id)
        self._result.receipt = receipt
        self._full_refresh = True
        step.rows_out = sum(receipt.rows.values())

    def dbt_build(self, step: Step) -> None:
        transform.build(
            self._engine,
            self._settings,
            self._result.run_id,
            step,
            force=self._order.force,
            full_refresh=self._full_refresh,
            on_built=self._built,
        )

    def report(self, step: Step, outcome: report.Outcome) -> None:
        built = [step.input_fingerprint for step in self._result.steps if step.name == "dbt_build"]
        published = report.publish(
            self._engine,
            self._settings,
            self._result.run_id,
            step,
            outcome=outcome,
            built_from=built[-1] if built else None,
            remove_earlier=self._result.receipt is not None,
        )
        self._result.report = published.location if published else None
        if published and not step.skipped:
            log.event(f"written to {published.location}", location=published.location)

    def _built(self, nodes: list[NodeResult]) -> None:
        self._result.nodes = nodes
        self._observers.models_built(nodes)

    def _transaction(self) -> AbstractContextManager[db.Connection]:
        return db.transaction(self._engine, role=self._settings.loader_role)


def plan_of(settings: Settings, order: Order | None = None) -> Plan:
    """Return how the settings and an order want a landing zone to be loaded.

    Arguments:
        settings: of the run.
        order: None where the command needs none.

    """
    order = order or Order()
    return Plan(
        schema=settings.schema,
        use_manifest=settings.use_manifest or bool(order.filenames),
        force=order.force or bool(order.filenames),
        only=frozenset(order.filenames),
        since=order.since,
        archive=settings.archive,
        min_age_seconds=settings.min_age_seconds,
        workers=settings.workers,
        erasure_key=settings.erasure_key,
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
    sys.argv.insert(1, "run")
    runpy.run_module("ingestion", run_name="__main__")
