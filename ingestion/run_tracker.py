"""Record a run in ops.pipeline_runs and ops.pipeline_steps, on the connection that holds its locks (`db.RunLock`).

A run has died if its record says running and its lock is free. Only the run itself, while it holds the lock, records
its success; a record that says how a run has ended is never changed.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

import psycopg2.errors
from psycopg2.extras import Json

from ingestion import __version__, db, log, migrate
from ingestion.errors import (
    DatabaseUnavailableError,
    Interrupted,
    PipelineError,
    RunLostError,
    exit_code_of,
)
from ingestion.printable import printable
from ingestion.results import Step

DIED = "the process died without an error message (killed, out of memory, or the machine stopped)"

_RECONNECT_SECONDS = 5.0
_queries = db.queries("runs")


def ensure_pipeline_runs_table(engine: db.Engine) -> None:
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
        """A step has ended. Its end is recorded with what follows."""


class RunTracker:
    """A context manager that records a run and sets its final status.

    Arguments:
        engine: the database; its connections must not be tied to the run.
        run_id: the run.
        command: the command, for the record.
        role: the role that writes the record.
        lock_wait_seconds: how long to wait for another run to end; 0 does not wait.
        shared: whether other shared runs may run at the same time.
        observer: is called for each step; must not raise.
        on_locked: called once, when the run has its locks: its connections may be opened from then on.
        on_loss: called once, in a thread, when the run loses its locks.

    Raises:
        BusyError: another run is in progress.
        RunLostError: the run has lost its locks.

    """

    def __init__(
        self,
        engine: db.Engine,
        run_id: UUID,
        command: str,
        *,
        role: str | None = None,
        lock_wait_seconds: float = 600.0,
        shared: bool = False,
        observer: StepObserver | None = None,
        on_locked: Callable[[], None] | None = None,
        on_loss: Callable[[RunLostError], None] | None = None,
    ) -> None:
        self._engine = engine
        self._run_id = run_id
        self._command = command
        self._role = role
        self._lock_wait_seconds = lock_wait_seconds
        self._shared = shared
        self._observer = observer
        self._on_locked = on_locked
        self._lock = db.RunLock(engine, run_id, role=role, on_loss=on_loss)
        # whether the run may have a record, whether it has one, and whether the record can have steps
        self._is_started = False
        self._is_recorded = False
        self._is_ready = False
        # steps whose latest state is not recorded yet, and their errors
        self._pending: dict[tuple[str, int], tuple[Step, BaseException | None]] = {}
        self._failed_step: str | None = None
        self.steps: list[Step] = []
        self.started_at = datetime.now(UTC)

    def __enter__(self) -> Self:
        try:
            with db.translated():
                self._start()
        except BaseException as exc:
            try:
                if self._is_started:
                    self._finish(exc)
            finally:
                self._lock.close()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._finish(exc)
        finally:
            self._lock.close()

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
                with suppress(PipelineError):
                    # the end of the run records it, too
                    self._save(step, exc)
                log.event(
                    summary_of(exc), level=log.ERROR, status="failure", duration_ms=step.duration_ms, attempt=attempt
                )
                if self._observer:
                    self._observer.step_ended(step, exc)
                raise
            step.duration_ms = round((time.monotonic() - started) * 1000)
            step.status = "skipped" if step.skipped else "success"
            # recorded with the start of the next step, or with the end of the run
            self._pending[step.name, step.attempt] = step, None
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

    @contextmanager
    def looking(self) -> Iterator[db.Connection]:
        """Use the autocommit session that holds the locks, for short looks at what there is to do.

        Raises:
            RunLostError: the run has lost its locks.

        """
        with self._tied():
            yield self._lock.connection

    def record_from_here(self) -> None:
        """Record steps from here on, and with the next of them what came before. Call this once sql/ is applied."""
        self._is_ready = True

    def error_summary(self, exc: BaseException) -> str:
        """Return one line about the failure of the run: `step: type [SQLSTATE]: message`."""
        return f"{self._failed_step}: {summary_of(exc)}" if self._failed_step else summary_of(exc)

    def _start(self) -> None:
        self._lock.take(seconds=self._lock_wait_seconds, shared=self._shared, on_wait=self._log_waiting)
        if self._on_locked:
            self._on_locked()
        connection = self._lock.connection
        try:
            found = list(_queries.unended(connection))
            has_records = True
        except psycopg2.errors.UndefinedTable:
            # sql/ was never applied here
            found = list(_queries.connected(connection))
            has_records = False
        self._end_dead_runs(
            connection, [row.run_id for row in found], {r.run_id for r in found if has_records and r.is_recorded}
        )
        self._is_started = True
        if has_records:
            db.execute_together(connection, self._start_of_run())
            self._is_recorded = True

    def _start_of_run(self) -> db.Asked:
        return _queries.start_run, {
            "run_id": str(self._run_id),
            "started_at": self.started_at,
            "command": self._command,
            "application_version": __version__,
        }

    def _log_waiting(self) -> None:
        log.event(f"another run is in progress; waiting for it, up to {self._lock_wait_seconds:g} s", level=log.WARNING)

    def _end_dead_runs(self, connection: db.Connection, unended: list[str], recorded: set[str]) -> None:
        for run_id in self._lock.fence(unended):
            if run_id in recorded:
                _queries.mark_run_dead(connection, run_id=run_id, error_summary=DIED)
                log.event(f"run {run_id} died; it is now marked as failed", level=log.WARNING)
                if self._observer:
                    self._observer.run_died(run_id)

    def _finish(self, exc: BaseException | None) -> None:
        """Record how the run has ended.

        Raises:
            PipelineError: the run has succeeded, and its success cannot be recorded.

        """
        if exc is None:
            error: PipelineError
            try:
                with self._tied():
                    if self._record_end(self._lock.connection, None) != "failure":
                        return
                error = RunLostError("another run has declared this one dead")
            except PipelineError as unrecorded:
                error = unrecorded
            # the success may have been recorded, and only the answer lost
            if self._record_failure(error) != "success":
                raise error
        else:
            self._record_failure(exc)

    def _record_failure(self, exc: BaseException) -> str | None:
        """Record that the run has failed, over a new connection if necessary. Give up after some seconds."""
        deadline = time.monotonic() + _RECONNECT_SECONDS
        while True:
            try:
                with self._lock.record_session() as connection, db.translated():
                    return self._record_end(connection, exc)
            except DatabaseUnavailableError:
                if time.monotonic() > deadline:
                    log.event("could not record the run: no database connection", level=log.ERROR)
                    return None
                time.sleep(0.5)
            except PipelineError as error:
                # the signal that has ended the run cancels its statements, and can be late for the last one
                if getattr(error, "sqlstate", None) == db.CANCELED and time.monotonic() < deadline:
                    continue
                log.event(f"could not record the run: {summary_of(error)}", level=log.WARNING)
                return None

    def _record_end(self, connection: db.Connection, exc: BaseException | None) -> str | None:
        """Record the end, and return how the run has ended by its record."""
        if not self._is_ready and not _queries.runs_exists(connection):
            return None
        run_id = str(self._run_id)
        end = {
            "run_id": run_id,
            "started_at": self.started_at,
            "finished_at": datetime.now(UTC),
            "status": "failure" if exc else "success",
            "command": self._command,
            "application_version": __version__,
            "exit_code": exit_code_of(exc) if exc else 0,
            "error_summary": self.error_summary(exc) if exc else None,
        }
        for key, (step, error) in self._pending.items():
            if step.status == "running":
                step.status = "failure"
                self._pending[key] = step, error or exc
        if not self._is_ready:
            # without all of sql/, the steps may have no table
            status: str = _queries.finish_run(connection, **end)
            self._is_recorded = True
            self._save_pending(connection)
            return status
        hint: str | None = getattr(exc, "hint", None)
        hints = [(_queries.record_hint, {"run_id": run_id, "hint": log.redact(hint)})] if hint else []
        ended: str = db.execute_together(
            connection,
            (_queries.finish_run, end),
            *self._states(self._pending),
            *hints,
            (_queries.status_of, {"run_id": run_id}),
        )
        self._pending.clear()
        return ended

    def _save(self, step: Step, exc: BaseException | None = None) -> None:
        self._pending[step.name, step.attempt] = step, exc
        if self._is_ready:
            with self._tied():
                self._save_pending(self._lock.connection)

    def _save_pending(self, connection: db.Connection) -> None:
        start = () if self._is_recorded else (self._start_of_run(),)
        db.execute_together(connection, *start, *self._states(self._pending))
        self._pending.clear()
        self._is_recorded = True

    def _states(self, steps: Mapping[tuple[str, int], tuple[Step, BaseException | None]]) -> Iterator[db.Asked]:
        for step, exc in steps.values():
            yield (
                _queries.save_step,
                {
                    "run_id": str(self._run_id),
                    "step": step.name,
                    "attempt": step.attempt,
                    "started_at": step.started_at,
                    "finished_at": datetime.now(UTC) if step.status != "running" else None,
                    "status": step.status,
                    "rows_in": step.rows_in,
                    "rows_out": step.rows_out,
                    "rows_rejected": step.rows_rejected,
                    "sqlstate": getattr(exc, "sqlstate", None),
                    "dbt_invocation_id": step.dbt_invocation_id,
                    "input_fingerprint": step.input_fingerprint,
                    "error_summary": summary_of(exc) if exc else None,
                    "detail": Json(step.detail) if step.detail else None,
                },
            )

    @contextmanager
    def _tied(self) -> Iterator[None]:
        """Raise `RunLostError` if the connection that holds the locks is lost in the block."""
        try:
            with db.translated():
                yield
        except RunLostError:
            raise
        except DatabaseUnavailableError as exc:
            raise RunLostError from exc


def summary_of(exc: BaseException) -> str:
    """Return one redacted line about an error: its type, its SQLSTATE if it has one, and its message."""
    sqlstate = getattr(exc, "sqlstate", None)
    name = type(exc).__name__ + (f" [{sqlstate}]" if sqlstate else "")
    message = " ".join(log.redact(str(exc)).split()) if isinstance(exc, PipelineError | Interrupted) else "see the log"
    return printable(f"{name}: {message}")
