"""Record a run in ops.pipeline_runs and ops.pipeline_steps, on a connection of its own.

This connection holds two session locks. One prevents two runs at the same time. The other is named after the run, and
the server releases it when the process ends, for any reason. A run has died if its record says running and its lock is
free.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from psycopg2.extras import Json
from sqlalchemy import Engine

from ingestion import __version__, db, log, migrate
from ingestion.errors import DatabaseUnavailableError, Interrupted, PipelineError, StatementError, exit_code_of
from ingestion.printable import printable
from ingestion.results import Step

DIED = "the process died without an error message (killed, out of memory, or the machine stopped)"

_ONE_RUN = "run"
_RECONNECT_SECONDS = 5.0
_queries = db.queries("runs")


def ensure_pipeline_runs_table(engine: Engine) -> None:
    """Create ops.pipeline_runs and ops.pipeline_steps if they do not exist, by applying sql/.

    Arguments:
        engine: the database.

    """
    migrate.migrate(engine)


class StepObserver(Protocol):
    """Receives the steps of a run, and earlier runs that died."""

    def run_died(self, run_id: str) -> None:
        """An earlier run died, and has now been marked as failed."""

    def step_started(self, step: Step) -> None:
        """A step starts."""

    def step_ended(self, step: Step, error: BaseException | None) -> None:
        """A step has ended and was recorded."""


class RunTracker:
    """A context manager that records a run and sets its final status.

    Arguments:
        engine: the database.
        run_id: the run.
        command: the command, for the record.
        role: the role that writes the record.
        lock_wait_seconds: how long to wait for another run to end; 0 does not wait.
        shared: whether other shared runs may run at the same time.
        observer: is called for each step; must not raise.

    Raises:
        BusyError: another run is in progress.

    """

    def __init__(
        self,
        engine: Engine,
        run_id: UUID,
        command: str,
        *,
        role: str | None = None,
        lock_wait_seconds: float = 600.0,
        shared: bool = False,
        observer: StepObserver | None = None,
    ) -> None:
        self._engine = engine
        self._run_id = run_id
        self._command = command
        self._role = role
        self._lock_wait_seconds = lock_wait_seconds
        self._shared = shared
        self._observer = observer
        self._resources = ExitStack()
        self._connection: db.Connection | None = None
        self._is_ready = False
        self._failed_step: str | None = None
        self.steps: list[Step] = []
        self.started_at = datetime.now(UTC)

    def __enter__(self) -> Self:
        try:
            connection = self._connect()
            db.lock(
                connection,
                _ONE_RUN,
                seconds=self._lock_wait_seconds,
                shared=self._shared,
                on_wait=self._log_waiting,
            )
            db.try_lock(connection, lock_name(str(self._run_id)))
            if _queries.runs_exists(connection):
                self._mark_dead_runs_failed(connection)
                _queries.start_run(connection, run_id=str(self._run_id), started_at=self.started_at)
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._resources:
            self._finish(exc)

    @contextmanager
    def step(self, name: str, attempt: int = 1, *, can_fail_run: bool = True) -> Iterator[Step]:
        """Record and log a step, which the block executes.

        Arguments:
            name: the name of the step.
            attempt: the number of the attempt, from 1.
            can_fail_run: whether the run fails if the step fails.

        """
        step = Step(name, attempt)
        self.steps.append(step)
        with log.bound(step=name):
            log.event(f"{name} started", status="started", duration_ms=0, attempt=attempt)
            started = time.monotonic()
            self._save(step)
            if self._observer:
                self._observer.step_started(step)
            try:
                yield step
            except BaseException as exc:
                step.duration_ms = round((time.monotonic() - started) * 1000)
                step.status = "failure"
                if can_fail_run:
                    self._failed_step = name
                self._save(step, exc)
                log.event(
                    summary_of(exc), level=log.ERROR, status="failure", duration_ms=step.duration_ms, attempt=attempt
                )
                if self._observer:
                    self._observer.step_ended(step, exc)
                raise
            step.duration_ms = round((time.monotonic() - started) * 1000)
            step.status = "skipped" if step.skipped else "success"
            self._save(step)
            log.event(
                f"{name} skipped: {step.skipped}" if step.skipped else f"{name} done",
                status="success",
                duration_ms=step.duration_ms,
                attempt=attempt,
                skipped=bool(step.skipped),
                rows_in=step.rows_in,
                rows_out=step.rows_out,
                rows_rejected=step.rows_rejected,
            )
            if self._observer:
                self._observer.step_ended(step, None)

    def record_from_here(self) -> None:
        """Record everything from here on, and what came before. Call this once sql/ is applied."""
        self._is_ready = True
        self._write(
            lambda connection: _queries.start_run(connection, run_id=str(self._run_id), started_at=self.started_at)
        )
        self._describe(exit_code=None)
        for step in self.steps:
            self._save(step)

    def error_summary(self, exc: BaseException) -> str:
        """Return one line about the failure of the run: `step: type [SQLSTATE]: message`."""
        return f"{self._failed_step}: {summary_of(exc)}" if self._failed_step else summary_of(exc)

    def _connect(self) -> db.Connection:
        self._connection = self._resources.enter_context(db.session(self._engine, role=self._role))
        return self._connection

    def _log_waiting(self) -> None:
        log.event(f"another run is in progress; waiting for it, up to {self._lock_wait_seconds:g} s", level=log.WARNING)

    def _mark_dead_runs_failed(self, connection: db.Connection) -> None:
        for run_id in [row.run_id for row in _queries.running(connection)]:
            if run_id != str(self._run_id) and db.try_lock(connection, lock_name(run_id)):
                _queries.mark_run_dead(connection, run_id=run_id, error_summary=DIED)
                _queries.mark_steps_dead(connection, run_id=run_id, error_summary=DIED)
                log.event(f"run {run_id} died; it is now marked as failed", level=log.WARNING)
                if self._observer:
                    self._observer.run_died(run_id)

    def _finish(self, exc: BaseException | None) -> None:
        self._write(
            lambda connection: _queries.finish_run(
                connection,
                run_id=str(self._run_id),
                finished_at=datetime.now(UTC),
                status="failure" if exc else "success",
                error_summary=self.error_summary(exc) if exc else None,
            )
        )
        hint: str | None = getattr(exc, "hint", None)
        self._describe(exit_code=exit_code_of(exc) if exc else 0, hint=log.redact(hint) if hint else None)

    def _describe(self, exit_code: int | None, hint: str | None = None) -> None:
        if self._is_ready:
            self._write(
                lambda connection: _queries.describe_run(
                    connection,
                    run_id=str(self._run_id),
                    command=self._command,
                    application_version=__version__,
                    exit_code=exit_code,
                    hint=hint,
                )
            )

    def _save(self, step: Step, exc: BaseException | None = None) -> None:
        if not self._is_ready:
            return
        finished = step.status != "running"
        self._write(
            lambda connection: _queries.save_step(
                connection,
                run_id=str(self._run_id),
                step=step.name,
                attempt=step.attempt,
                started_at=step.started_at,
                finished_at=datetime.now(UTC) if finished else None,
                status=step.status,
                rows_in=step.rows_in,
                rows_out=step.rows_out,
                rows_rejected=step.rows_rejected,
                sqlstate=getattr(exc, "sqlstate", None),
                dbt_invocation_id=step.dbt_invocation_id,
                input_fingerprint=step.input_fingerprint,
                error_summary=summary_of(exc) if exc else None,
                detail=Json(step.detail) if step.detail else None,
            )
        )

    def _write(self, write: Callable[[db.Connection], object]) -> None:
        """Write a record. Reconnect if the connection was lost, and give up after some seconds."""
        deadline = time.monotonic() + _RECONNECT_SECONDS
        while True:
            try:
                connection = self._connection
                if connection is None or connection.closed:
                    connection = self._connect()
                with db.translated():
                    write(connection)
            except DatabaseUnavailableError:
                if time.monotonic() > deadline:
                    log.event("could not record the run: no database connection", level=log.ERROR)
                    return
                time.sleep(0.5)
            except StatementError as exc:
                if self._is_ready:
                    raise
                log.event(f"could not record the run: {summary_of(exc)}", level=log.WARNING)
                return
            else:
                return


def summary_of(exc: BaseException) -> str:
    """Return one redacted line about an error: its type, its SQLSTATE if it has one, and its message."""
    sqlstate = getattr(exc, "sqlstate", None)
    name = type(exc).__name__ + (f" [{sqlstate}]" if sqlstate else "")
    message = " ".join(log.redact(str(exc)).split()) if isinstance(exc, PipelineError | Interrupted) else "see the log"
    return printable(f"{name}: {message}")


def lock_name(run_id: str) -> str:
    """Return the name of the lock that a run holds while its process lives."""
    return f"run:{run_id}"
