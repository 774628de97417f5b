"""What each step of a run does."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

from ingestion import db, log, migrate, report, retraction, transform
from ingestion.config import Settings
from ingestion.distribution import Direction, change_nodes
from ingestion.errors import FilesRefusedError, NothingRecognisedError, UsageError
from ingestion.ingest import Plan, ingest
from ingestion.observers import Observers
from ingestion.replay import replay
from ingestion.results import IngestResult, NodeResult, RunResult, Step
from ingestion.storage import open_storage

# unknown files that the record of a run names
_LISTED_FILES = 20


@dataclass(frozen=True)
class RunOptions:
    """The options of a command.

    Arguments:
        force: load files that are loaded, and build even if nothing has changed.
        filenames: for reload, retract and replay: the files.
        since: for ingest: only files written since this time.
        retract_vanished: for ingest: retract files that are no longer in the landing zone.
        reason: for retract: the reason.
        user_id: for erase: the participant.
        distribution: for migrate: spread the raw tables over the nodes of the database, or bring them back to one.
        move_rows: for migrate: how many rows this may move.

    """

    force: bool = False
    filenames: tuple[str, ...] = ()
    since: datetime | None = None
    retract_vanished: bool = False
    reason: str = ""
    user_id: str | None = field(default=None, repr=False)
    distribution: Direction | None = None
    move_rows: int = 0


class Steps:
    """The steps of a run: one method per step, with its name.

    Arguments:
        settings: the settings, with a database.
        engine: the database, for what a step does.
        looking: lends an autocommit session of the loader's role, for short looks at what there is to do.
        options: the options of the command.
        result: receives what the steps did.
        observers: receive the files and the built models.

    """

    def __init__(
        self,
        settings: Settings,
        engine: db.Engine,
        looking: db.Lender,
        *,
        options: RunOptions,
        result: RunResult,
        observers: Observers,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._looking = looking
        self._options = options
        self._result = result
        self._observers = observers
        self._full_refresh = False

    def migrate(self, step: Step) -> None:
        """Apply the migrations, and move the raw tables if the command asks for it."""
        with self._looking() as connection:
            state = migrate.state(connection, migrate.read_migrations())
        applied: list[str] = []
        if state.pending:
            applied = migrate.migrate(
                self._engine,
                schema=self._settings.schema,
                run_id=self._result.run_id,
                role=self._settings.owner_role,
                on_applied=lambda migration, ms: log.event(
                    f"applied {migration.file}", file=migration.file, duration_ms=ms
                ),
            )
        step.detail = {"applied": applied}
        moved = self._move_raw_tables(step)
        step.skipped = None if applied or moved else "all migrations are applied"

    def _move_raw_tables(self, step: Step) -> list[str]:
        direction = self._options.distribution
        if direction is None:
            return []
        moved = change_nodes(
            self._engine,
            self._settings.schema,
            direction,
            most_rows=self._options.move_rows,
            role=self._settings.owner_role,
        )
        step.detail |= {f"{direction}d": moved}
        for table in moved:
            log.event(f"{direction}d {table}")
        return moved

    def ingest(self, step: Step) -> None:
        """Load the files of the landing zone.

        Raises:
            NothingRecognisedError: there are files, and not one of them belongs to a dataset.
            FilesRefusedError: some files were refused. The others are loaded.

        """
        result = ingest(
            self._engine,
            open_storage(self._settings.landing_zone, timeout_seconds=self._settings.storage_timeout_seconds),
            self._result.run_id,
            plan_of(self._settings, self._options),
            role=self._settings.loader_role,
            on_file=self._observers.file_ended,
        )
        self._result.ingest = result
        counts = result.counts
        step.rows_in, step.rows_out, step.rows_rejected = counts.read, counts.loaded, counts.rejected
        step.detail = {"files": result.by_status(), "vanished": len(result.vanished)}
        if unknown := result.with_status("unknown"):
            # the manifest has only files of datasets
            step.detail["unknown"] = [f"{file.filename}: {file.reason}" for file in unknown[:_LISTED_FILES]]
        check_recognised(result)
        if self._options.retract_vanished and result.vanished:
            self._retract(result.vanished, "no longer in the landing zone")
        if refused := result.refused:
            first, more = refused[0], len(refused) - 1
            raise FilesRefusedError(
                f"{first.filename}: {first.reason}" + (f" (and {more} more files)" if more else ""), hint=first.hint
            )

    def retract(self, step: Step) -> None:
        """Remove the rows of files."""
        self._retract(self._options.filenames, self._options.reason)
        step.rows_out = sum(file.rows for file in self._result.retracted)
        step.detail = {"files": len(self._result.retracted), "reason": self._options.reason}

    def _retract(self, filenames: Iterable[str], reason: str) -> None:
        with self._transaction() as connection:
            for name in filenames:
                self._result.retracted += retraction.retract(
                    connection, self._settings.schema, name, reason, self._result.run_id
                )

    def replay(self, step: Step) -> None:
        """Check rejected rows of files again."""
        with self._transaction() as connection:
            for name in self._options.filenames:
                self._result.replayed += replay(connection, self._settings.schema, name)
        self._full_refresh = any(file.loaded for file in self._result.replayed)
        step.rows_out = sum(file.loaded for file in self._result.replayed)
        step.rows_rejected = sum(file.rejected for file in self._result.replayed)
        step.rows_in = step.rows_out + step.rows_rejected

    def erase(self, step: Step) -> None:
        """Delete a participant's data."""
        if self._options.user_id is None:
            raise UsageError("no participant to erase", hint="Name one with --user-id.")
        with self._transaction() as connection:
            receipt = retraction.erase(
                connection,
                self._settings.schema,
                self._options.user_id,
                self._settings.erasure_key,
                self._result.run_id,
            )
        with db.transaction(self._engine, role=self._settings.transformer_role) as connection:
            receipt.rows |= retraction.erase_from_models(connection, self._options.user_id)
            # they hold the participant's days, too, if a comparison was kept or killed
            transform.drop_compared(connection)
        self._result.receipt = receipt
        self._full_refresh = True
        step.rows_out = sum(receipt.rows.values())

    def dbt_build(self, step: Step) -> None:
        """Build the marts."""
        transform.build(
            self._engine,
            self._looking,
            self._settings,
            self._result.run_id,
            step,
            force=self._options.force,
            full_refresh=self._full_refresh,
            on_built=self._built,
        )

    def report(self, step: Step, outcome: report.Outcome) -> None:
        """Write the report.

        Arguments:
            step: the record of the step.
            outcome: whether the run has failed so far, and why.

        """
        built = [step.input_fingerprint for step in self._result.steps if step.name == "dbt_build"]
        published = report.publish(
            self._engine,
            self._looking,
            self._settings,
            self._result.run_id,
            step,
            outcome=outcome,
            built_from=built[-1] if built else None,
            remove_earlier=self._result.receipt is not None,
        )
        self._result.report = published.location if published else None
        if published and not step.skipped:
            log.event(f"wrote the report to {published.location}", location=published.location)

    def _built(self, nodes: list[NodeResult]) -> None:
        self._result.nodes = nodes
        self._observers.models_built(nodes)

    def _transaction(self) -> AbstractContextManager[db.Connection]:
        return db.transaction(self._engine, role=self._settings.loader_role)


def check_recognised(result: IngestResult) -> None:
    """Check that a landing zone with files has one that belongs to a dataset.

    Arguments:
        result: what an ingest has found.

    Raises:
        NothingRecognisedError: it has none.

    """
    if result.unrecognised:
        raise NothingRecognisedError(
            f"none of the {result.unrecognised:,} files in the data directory was recognised: nothing was loaded",
            hint="Check that PIPELINE_DATA_DIR is the right place. docs/datasets.md has the names of files.",
        )


def plan_of(settings: Settings, options: RunOptions | None = None) -> Plan:
    """Return how to load the landing zone.

    Arguments:
        settings: the settings.
        options: the options of the command.

    """
    options = options or RunOptions()
    return Plan(
        schema=settings.schema,
        use_manifest=settings.use_manifest or bool(options.filenames),
        force=options.force or bool(options.filenames),
        only=frozenset(options.filenames),
        since=options.since,
        archive=settings.archive,
        min_age_seconds=settings.min_age_seconds,
        workers=settings.workers,
        erasure_key=settings.erasure_key,
    )
