"""`run`, `ingest`, `transform`, `migrate` and the other commands that are runs: run them, and print their summary."""

import argparse
import json
from contextlib import closing

from rich.console import Console

from ingestion import db, log, migrate
from ingestion.cli import summary
from ingestion.cli.output import PLAIN_WIDTH, console, explain
from ingestion.config import Settings
from ingestion.errors import PipelineError
from ingestion.observers import Observer
from ingestion.results import Command, RunResult, Step
from ingestion.runner import STEPS, dry_run, report_failed_start
from ingestion.runner import run as run_steps
from ingestion.steps import RunOptions, check_recognised


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run a command's steps, and return the exit code.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
    with closing(db.create_engine(settings)) as engine:
        result = run_steps(settings, arguments.command, _options(arguments), more_observers=[_ConnectAhead(engine)])
        return _show(result, engine, settings)


class _ConnectAhead(Observer):
    """Connects for the summary while the last step runs."""

    def __init__(self, engine: db.Connector) -> None:
        self._engine = engine

    def step_ended(self, step: Step, error: BaseException | None) -> None:  # noqa: ARG002
        if step.name == "dbt_build":
            self._engine.start_connecting()


def _show(result: RunResult, engine: db.Engine, settings: Settings) -> int:
    if result.error:
        explain(result.error_summary or str(result.error), getattr(result.error, "hint", None))
    if result.receipt:
        print(json.dumps(vars(result.receipt), indent=2))
    if result.ingest or not result.error:
        terminal = log.console() or Console(stderr=True, soft_wrap=True, width=PLAIN_WIDTH)
        summary.show_run(terminal, result, engine, settings.known_database)
    return result.exit_code


def _options(arguments: argparse.Namespace) -> RunOptions:
    return RunOptions(
        force=getattr(arguments, "force", False),
        filenames=tuple(getattr(arguments, "filenames", ())),
        since=getattr(arguments, "since", None),
        retract_vanished=getattr(arguments, "retract_vanished", False),
        reason=log.redact(getattr(arguments, "reason", "")),
        user_id=getattr(arguments, "user_id", None),
        distribution=getattr(arguments, "distribution", None),
        move_rows=getattr(arguments, "move_rows", 0),
    )


def ingest(arguments: argparse.Namespace, settings: Settings) -> int:
    """Load the files, or say what a load would do, and return the exit code.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
    if _recorded_run(arguments):
        return run(arguments, settings)
    result = dry_run(settings, _options(arguments))
    console().print(summary.show_dry_run(result))
    check_recognised(result)
    would_be_rejected = bool(result.refused or result.counts.rejected)
    return 1 if arguments.check and would_be_rejected else 0


def apply_migrations(arguments: argparse.Namespace, settings: Settings) -> int:
    """Apply the migrations, or list them, and return the exit code.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
    if _recorded_run(arguments):
        return run(arguments, settings)
    engine = db.ready_engine(settings)
    if arguments.baseline is not None:
        for file in migrate.baseline(engine, arguments.baseline, role=settings.owner_role):
            print(f"recorded {file}")
        return 0
    with db.session(engine, role=settings.owner_role) as connection:
        state = migrate.state(connection, migrate.read_migrations())
    if arguments.plan:
        for migration in state.pending:
            print(f"-- {migration.file} ({migration.checksum})\n{migration.text}")
        return 0
    for row in state.applied:
        print(f"{'baseline' if row.is_baseline else 'applied '}  {row.applied_at:%Y-%m-%d %H:%M:%S}  {row.file}")
    for migration in state.pending:
        print(f"{'pending':<29}  {migration.file}")
    return 0


def replay(arguments: argparse.Namespace, settings: Settings) -> int:
    """Check rejected rows again, and return the exit code.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
    arguments.command = "replay"
    return run(arguments, settings)


def report_failed(arguments: argparse.Namespace, settings: Settings, error: PipelineError) -> None:
    """Notify the observers of a run that could not start without a database. Do nothing if it would be no run.

    Arguments:
        arguments: the arguments of the command.
        settings: the settings.
        error: why it could not start.

    """
    if command := _recorded_run(arguments):
        report_failed_start(settings, command, error)


def _recorded_run(arguments: argparse.Namespace) -> Command | None:
    """Return the run that the command starts, or None if it only shows something."""
    if arguments.command == "rejected":
        return "replay" if arguments.what == "replay" else None
    only_shows = any(getattr(arguments, name, False) for name in ("dry_run", "check", "status", "plan", "compare"))
    if only_shows or getattr(arguments, "baseline", None) is not None or arguments.command not in STEPS:
        return None
    command: Command = arguments.command
    return command
