"""ops.pipeline_runs and ops.pipeline_steps: a run that records itself, on a connection of its own.

That connection also holds two session locks. One keeps two runs apart. The other is named after the run, and the server
frees it as soon as the process is gone, however it went: a run that says `running` and whose lock is free has died.
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
from ingestion.results import Step

DIED = "the process died: no trace of how (killed, out of memory, or the machine went down)"

_ONE_RUN = "run"
_RECONNECT_SECONDS = 5.0
_queries = db.queries("runs")


def ensure_pipeline_runs_table(engine: Engine) -> None:
    """Make sure that ops.pipeline_runs and ops.pipeline_steps exist, by applying sql/.

    Arguments:
        engine: the database.

    """
    migrate.migrate(engine)


class Watcher(Protocol):
    """Who is told of the steps of a run, and of earlier runs that died."""

    def run_died(self, run_id: str) -> None:
        """An earlier run had died without a word, and has just been marked as a failure."""

    def step_started(self, step: Step) -> None:
        """A step begins."""

    def step_ended(self, step: Step, error: BaseException | None) -> None:
        """A step has ended, and is recorded."""


class RunTracker:
    """One execution of the pipeline, as a context manager that sets its final status itself.

    Arguments:
        engine: the database.
        run_id: the run.
        command: what was called, for the record.
        role: the role that writes the record.
        lock_wait_seconds: how long to wait for another run to end; 0 declines at once.
        shared: other runs that are shared too may be at work at the same time.
        watcher: is told of each step; must not raise.

    Raises:
        BusyError: another run is at work.

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
        watcher: Watcher | None = None,
    ) -> None:
        self._engine = engine
        self._run_id = run_id
        self._command = command
        self._role = role
        self._lock_wait_seconds = lock_wait_seconds
        self._shared = shared
        self._watcher = watcher
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
                on_wait=self._say_that_it_waits,
            )
            db.try_lock(connection, lock_name(str(self._run_id)))
            if _queries.runs_exists(connection):
                self._bury_the_dead(connection)
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
    def step(self, name: str, attempt: int = 1, *, decides: bool = True) -> Iterator[Step]:
        """Record and log a step: what it does happens inside the block.

        Arguments:
            name: migrate, ingest, dbt_build or report.
            attempt: from 1.
            decides: whether the run fails where it fails.

        """
        step = Step(name, attempt)
        self.steps.append(step)
        with log.bound(step=name):
            log.event(f"{name} started", status="started", duration_ms=0, attempt=attempt)
            started = time.monotonic()
            self._save(step)
            if self._watcher:
                self._watcher.step_started(step)
            try:
                yield step
            except BaseException as exc:
                step.duration_ms = round((time.monotonic() - started) * 1000)
                step.status = "failure"
                if decides:
                    self._failed_step = name
                self._save(step, exc)
                log.event(
                    summary_of(exc), level=log.ERROR, status="failure", duration_ms=step.duration_ms, attempt=attempt
                )
                if self._watcher:
                    self._watcher.step_ended(step, exc)
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
            if self._watcher:
                self._watcher.step_ended(step, None)

    def schema_is_ready(self) -> None:
        """Say that sql/ has been applied: from here on everything is recorded, what came before included."""
        self._is_ready = True
        self._write(
            lambda connection: _queries.start_run(connection, run_id=str(self._run_id), started_at=self.started_at)
        )
        self._describe(exit_code=None)
        for step in self.steps:
            self._save(step)

    def error_summary(self, exc: BaseException) -> str:
        """Return the run's one line about its failure: `step: type [SQLSTATE]: message`."""
        return f"{self._failed_step}: {summary_of(exc)}" if self._failed_step else summary_of(exc)

    def _connect(self) -> db.Connection:
        self._connection = self._resources.enter_context(db.session(self._engine, role=self._role))
        return self._connection

    def _say_that_it_waits(self) -> None:
        log.event(f"another run is at work: waiting for it, up to {self._lock_wait_seconds:g} s", level=log.WARNING)

    def _bury_the_dead(self, connection: db.Connection) -> None:
        for (run_id,) in list(_queries.running(connection)):
            if run_id != str(self._run_id) and db.try_lock(connection, lock_name(run_id)):
                _queries.bury_run(connection, run_id=run_id, error_summary=DIED)
                _queries.bury_steps(connection, run_id=run_id, error_summary=DIED)
                log.event(f"run {run_id} had died without a word: marked as failure", level=log.WARNING)
                if self._watcher:
                    self._watcher.run_died(run_id)

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
        """Write a record; where the connection was lost try a new one, and where there is none go on without."""
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
                    log.event("the run could not be recorded: the database is away", level=log.ERROR)
                    return
                time.sleep(0.5)
            except StatementError as exc:
                if self._is_ready:
                    raise
                log.event(f"the run could not be recorded: {summary_of(exc)}", level=log.WARNING)
                return
            else:
                return


def summary_of(exc: BaseException) -> str:
    """Return one redacted line about an error: its type, its SQLSTATE where it has one, its message."""
    sqlstate = getattr(exc, "sqlstate", None)
    name = type(exc).__name__ + (f" [{sqlstate}]" if sqlstate else "")
    message = " ".join(log.redact(str(exc)).split()) if isinstance(exc, PipelineError | Interrupted) else "see the log"
    return f"{name}: {message}"


def lock_name(run_id: str) -> str:
    """Return the name of the lock that a run holds as long as its process lives."""
    return f"run:{run_id}"
