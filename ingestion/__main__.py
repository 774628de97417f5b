"""The command line: parse, call, exit code. Nothing else in the package prints."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

from rich.console import Console

from ingestion import __version__, db, embedded, log, migrate, summary
from ingestion.config import Database, Settings
from ingestion.errors import ConfigurationError, Interrupted, PipelineError, UsageError
from ingestion.run_tracker import exit_code_of
from ingestion.runner import run

_PLAIN_WIDTH = 160
_RUNS = {
    "run": "apply sql/, ingest, build the marts",
    "ingest": "apply sql/, ingest",
    "transform": "apply sql/, build the marts",
    "migrate": "apply sql/",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Arguments:
        argv: the arguments behind the program's name; those of the process unless given.

    Returns:
        The exit code; see `ingestion.errors`.

    """
    try:
        arguments = _parse(sys.argv[1:] if argv is None else argv)
        settings = _settings(arguments)
        log.configure(settings.log_format)
        with _with_database(settings) as ready:
            return _COMMANDS[arguments.command](arguments, ready)
    except (PipelineError, Interrupted) as exc:
        _explain(str(exc), getattr(exc, "hint", None))
        return exit_code_of(exc)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # whoever read our output has gone; Python would complain once more while it shuts down
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.command == "migrate" and (arguments.status or arguments.plan or arguments.baseline is not None):
        return _migrate(arguments, settings)
    result = run(settings, arguments.command, force=getattr(arguments, "force", False))
    database = _require(settings)
    console = log.console() or Console(stderr=True, soft_wrap=True, width=_PLAIN_WIDTH)
    if result.error:
        _explain(result.error_summary or str(result.error), getattr(result.error, "hint", None))
    if result.ingest or not result.error:
        summary.show_run(console, result, db.create_engine(settings), database)
    return result.exit_code


def _migrate(arguments: argparse.Namespace, settings: Settings) -> int:
    engine = db.create_engine(settings)
    db.wait_until_ready(engine, settings.db_wait_seconds)
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


def _status(arguments: argparse.Namespace, settings: Settings) -> int:
    engine = db.create_engine(settings)
    db.wait_until_ready(engine, settings.db_wait_seconds)
    status = summary.read_status(engine)
    if arguments.json:
        print(json.dumps({"is_healthy": status.is_healthy, **vars(status)}, default=str, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH).print(summary.show_status(status))
    return 0 if status.is_healthy else 1


def _psql(arguments: argparse.Namespace, settings: Settings) -> int:
    psql = shutil.which("psql") or embedded.psql()
    if psql is None:
        raise ConfigurationError("there is no psql on this machine", hint="Install postgresql-client.")
    environment = {**os.environ, **_require(settings).environment}
    return subprocess.run([psql, *arguments.psql_arguments], env=environment, check=False).returncode


_COMMANDS = {**dict.fromkeys(_RUNS, _run), "status": _status, "psql": _psql}


@contextmanager
def _with_database(settings: Settings) -> Iterator[Settings]:
    """Yield the settings with a database: the configured one, else the embedded one where it is installed."""
    if settings.database is None and embedded.is_available():
        with embedded.server() as database:
            yield replace(settings, database=database)
    else:
        log.hide([_require(settings).secret])
        yield settings


def _require(settings: Settings) -> Database:
    if settings.database is None:
        raise ConfigurationError(
            "no database is configured",
            hint="Set DATABASE_URL, or PGHOST and its family, or DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD.",
        )
    return settings.database


def _settings(arguments: argparse.Namespace) -> Settings:
    given = {
        name: value
        for name in ("data_dir", "use_manifest", "schema", "log_format")
        if (value := getattr(arguments, name, None)) is not None
    }
    return replace(Settings.from_environment(), **given)


def _explain(message: str, hint: str | None) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"error: {log.redact(message)}", style="bold red", markup=False)
    if hint:
        console.print(f"  to mend it: {hint}", markup=False)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.command != "psql":
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    arguments.psql_arguments = others
    return arguments


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"See: {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m ingestion", description="Wearable-device CSV drops into Postgres, and on to dbt.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _RUNS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--log-format", choices=("auto", "json", "text"))
        if name in {"run", "ingest"}:
            command.add_argument("--data-dir", metavar="DIR", help="the landing zone")
            command.add_argument(
                "--use-manifest",
                action=argparse.BooleanOptionalAction,
                help="load each file once; without it a run replaces what the tables hold",
            )
        if name != "migrate":
            command.add_argument("--schema", help="the schema of the raw tables")
        if name in {"run", "transform"}:
            command.add_argument("--force", action="store_true", help="build the marts even where nothing has changed")
        if name == "migrate":
            what = command.add_mutually_exclusive_group()
            what.add_argument("--status", action="store_true", help="show what is applied and what is pending")
            what.add_argument("--plan", action="store_true", help="print what would be applied")
            what.add_argument(
                "--baseline", type=int, metavar="N", help="record files up to number N as applied without running them"
            )
    status = commands.add_parser("status", help="how things stand; exit code 1 where the last run failed")
    status.add_argument("--json", action="store_true", help="for machines")
    commands.add_parser(
        "psql", help="open psql on the pipeline's database; further arguments are psql's", add_help=False
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
