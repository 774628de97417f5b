"""Build the marts with other cut-offs or models beside the present ones, and say who would have another status.

A comparison is not a run: it has no record, no report and no alert, and no run waits for it. It has a lock of its own,
because two comparisons would build the same schemas. As soon as a run begins, the comparison gives way: it ends, and
its connections with it, so that it holds nothing that the run needs. The run may also change the data, and then a
difference would say nothing about cut-offs.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from psycopg2.sql import Identifier

from ingestion import db, distribution, log, manifest, migrate
from ingestion.config import Settings
from ingestion.errors import BusyError, ConfigurationError, PipelineError
from ingestion.results import NodeResult
from ingestion.signals import Interruptible
from ingestion.transform import inputs
from ingestion.transform.differences import Basis, Differences, basis, read
from ingestion.transform.invocation import invoke
from ingestion.transform.nodes import summary_of

PREFIX = "compare_"
SCHEMAS = tuple(PREFIX + name for name in ("staging", "intermediate", "marts", "dbt_test_failures"))

_LOCK = "comparison"
_LOOK_EVERY_SECONDS = 0.5
_COMPARE_AGAIN = "Compare again when the run has ended."
_queries = db.queries("compare")


@dataclass(frozen=True)
class Comparison:
    """The present marts against those that the comparison has built.

    Arguments:
        basis: from what each of them was built.
        differences: what is different.
        failed_tests: the data tests that found something in the marts of the comparison.
        warnings: the data tests that have warned of something there.
        kept: the schemas that were kept.
        seconds: how long it took.

    """

    basis: Basis
    differences: Differences
    failed_tests: list[str]
    warnings: list[str]
    kept: tuple[str, ...]
    seconds: float


class _State(NamedTuple):
    run_id: str | None
    content: str


def compare(settings: Settings, given: dict[str, Any], *, keep: bool = False) -> Comparison:
    """Build the marts beside the present ones, compare them, and drop them. Call this in the main thread.

    Arguments:
        settings: the settings, with a database.
        given: other cut-offs, on top of those of the settings.
        keep: leave the schemas of the comparison in the database.

    Raises:
        ConfigurationError: there are no marts to compare with, migrations are not applied, or a right is missing.
        BusyError: a run or another comparison is in progress, or a run has begun.
        PipelineError: a model or dbt itself failed. The present marts are as before, whatever is raised.

    """
    started = time.monotonic()
    comparison_id = uuid4()
    variables = {**inputs.vars_of(settings), **given, inputs.SCHEMA_PREFIX: PREFIX}
    with Interruptible() as signals, db.translated():
        engine = db.ready_engine(settings)
        _check(engine, settings)
        lock = db.RunLock(engine, comparison_id, name=_LOCK, on_loss=signals.interrupt)
        has_begun = is_kept = False
        try:
            with signals.as_interruption():
                patience = settings.lock_wait_seconds if settings.on_concurrent_run == "wait" else 0
                lock.take(seconds=patience, shared=False, on_wait=_log_waiting)
                has_begun = True
                _wait_for_runs(lock.connection, patience)
                with _giving_way(engine, comparison_id, signals):
                    of_now = _state(engine, settings)
                    _drop(engine, settings.transformer_role)
                    results = invoke(settings, comparison_id, variables, full_refresh=True, is_scratch=True).results
                    _check_models(results)
                    found = _read(db.create_engine(settings, run_id=comparison_id), settings, variables, of_now)
                is_kept = keep
        finally:
            try:
                if has_begun and not is_kept:
                    _clean_up(lock, engine, settings.transformer_role)
            finally:
                lock.close()
    return Comparison(
        *found,
        failed_tests=[result.name for result in results if result.has_failed],
        warnings=[result.name for result in results if result.status == "warn"],
        kept=SCHEMAS if is_kept else (),
        seconds=time.monotonic() - started,
    )


def drop_compared(connection: db.Connection) -> None:
    """Drop what a comparison has built and kept, or left behind.

    Arguments:
        connection: in a transaction or session of the role that owns it.

    """
    with connection.cursor() as cursor:
        for schema in SCHEMAS:
            cursor.execute(db.composed(_queries.drop_schema, schema=Identifier(schema)))


def _check(engine: db.Engine, settings: Settings) -> None:
    """Check what a comparison needs, before it builds anything."""
    with db.session(engine, role=settings.owner_role) as connection:
        migrate.check_applied(connection)
    with db.session(engine, role=settings.transformer_role) as connection:
        if not _queries.marts_exist(connection):
            raise ConfigurationError(
                "there are no marts to compare with", hint="Build them first: python -m ingestion transform"
            )
        if distribution.is_distributed(connection, settings.schema):
            raise ConfigurationError(
                "the raw tables are on several nodes, and a comparison is built on one",
                hint="Compare on a part of the participants, in a database without Citus.",
            )
        if not _queries.may_create_schemas(connection):
            raise ConfigurationError(
                f"{settings.transformer_role or 'the login role'} may not create schemas in this database",
                hint="Grant it the right to create on the database, as docker/postgres/roles.sql does.",
            )


def _log_waiting() -> None:
    log.event("another comparison is in progress; waiting for it", level=log.WARNING)


def _wait_for_runs(connection: db.Connection, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    is_logged = False
    while db.is_run_in_progress(connection):
        if time.monotonic() >= deadline:
            raise BusyError("a run is in progress", hint=_COMPARE_AGAIN)
        if not is_logged:
            log.event("a run is in progress; waiting for it", level=log.WARNING)
            is_logged = True
        time.sleep(_LOOK_EVERY_SECONDS)


@contextmanager
def _giving_way(engine: db.Engine, comparison_id: UUID, signals: Interruptible) -> Iterator[None]:
    """End the block as soon as a run begins."""
    is_over = threading.Event()

    def watch() -> None:
        try:
            with db.session(engine) as connection:
                while not is_over.wait(_LOOK_EVERY_SECONDS):
                    if db.is_run_in_progress(connection):
                        signals.interrupt(BusyError("a run has begun: the comparison gives way", hint=_COMPARE_AGAIN))
                        db.disconnect_run(str(comparison_id))
                        return
        except PipelineError as exc:
            signals.interrupt(exc)

    watcher = threading.Thread(target=watch, name="runs", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _state(engine: db.Engine, settings: Settings) -> _State:
    with db.session(engine, role=settings.transformer_role) as connection:
        return _state_in(connection, settings)


def _state_in(connection: db.Connection, settings: Settings) -> _State:
    """Return what differs as soon as a run has begun, or a file has come or gone."""
    return _State(_queries.latest_run(connection), manifest.content_fingerprint(connection, settings.schema))


def _check_models(results: list[NodeResult]) -> None:
    failed = [result for result in results if result.has_failed and result.resource_type != "test"]
    if failed:
        raise PipelineError(summary_of(failed), hint="A comparison needs all models. The present marts are as before.")


def _read(
    engine: db.Engine, settings: Settings, variables: dict[str, Any], expected: _State
) -> tuple[Basis, Differences]:
    with (
        db.session(engine, role=settings.transformer_role, autocommit=False) as connection,
        db.session(engine) as login,
    ):
        # all figures are from the same moment
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        if _state_in(connection, settings) != expected or db.is_run_in_progress(connection):
            raise BusyError("a run has changed the data in the meantime", hint=_COMPARE_AGAIN)
        return basis(connection, settings.schema, variables), read(connection, login, PREFIX)


def _drop(engine: db.Engine, role: str | None) -> None:
    with db.session(engine, role=role) as connection:
        drop_compared(connection)


def _clean_up(lock: db.RunLock, engine: db.Engine, role: str | None) -> None:
    """Drop what was built. If this fails, the next comparison does it."""
    with suppress(PipelineError):
        # without the lock, the schemas may be those of another comparison
        _ = lock.connection
        try:
            _drop(engine, role)
        except PipelineError as exc:
            log.event(f"could not drop the schemas of the comparison ({exc}); the next one does it", level=log.WARNING)
