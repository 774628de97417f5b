"""Parse the arguments, call the handler of a command, and return the exit code. Only this package prints."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any, Literal

from ingestion import db, embedded, log
from ingestion.cli.arguments import parse
from ingestion.cli.output import NAGIOS, explain, probe_text
from ingestion.config import Settings
from ingestion.errors import DatabaseUnavailableError, Interrupted, PipelineError, exit_code_of
from ingestion.signals import Interruptible
from ingestion.sources import persons

Handler = Callable[[argparse.Namespace, Settings], int]

# The module in this package, and the function. A module is imported when its command is called: all of them together
# take half a second, and most commands need few.
HANDLERS = {
    **dict.fromkeys(("run", "transform", "reload", "retract", "erase"), "runs.run"),
    "ingest": "runs.ingest",
    "migrate": "runs.apply_migrations",
    "transform --compare": "compare.handle",
    "rejected replay": "runs.replay",
    **dict.fromkeys(("rejected list", "rejected show", "rejected export"), "rejected.show"),
    "report": "reports.write",
    "report --serve": "reports.serve",
    "follow-up": "follow_up.handle",
    "follow-up --format redcap-dictionary": "follow_up.write_dictionary",
    "release write": "release.write",
    "release diff": "release.diff",
    "digest": "digest.handle",
    "digest --test": "digest.test",
    "status": "records.status",
    "alert list": "alerts.show",
    "alert test": "alerts.test",
    "runs": "records.runs",
    "files": "records.files",
    "ls": "zone.ls",
    "land": "zone.land",
    "sources": "sources.handle",
    "psql": "psql.run",
}
WITHOUT_DATABASE = {
    *("land", "sources", "report --serve", "alert test", "digest --test", "release diff"),
    "follow-up --format redcap-dictionary",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Arguments:
        argv: the arguments without the program's name; by default, those of the process.

    Returns:
        The exit code; see `ingestion.errors`.

    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        with Interruptible(), db.translated():
            return _probe(argv) if "status" in argv[:1] and "--probe" in argv else _execute(argv)
    except (PipelineError, Interrupted) as exc:
        explain(str(exc), getattr(exc, "hint", None))
        return exit_code_of(exc)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader of the output is gone; without this, Python reports the broken pipe again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _execute(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    settings = _settings(arguments)
    log.configure(settings.log_format)
    persons.configure(settings.person_in_path)
    log.hide(settings.secrets)
    command = _command(arguments)
    if command in WITHOUT_DATABASE:
        return handler(command)(arguments, settings)
    with ExitStack() as resources:
        try:
            ready = resources.enter_context(_with_database(settings))
        except PipelineError as exc:
            _function("runs.report_failed")(arguments, settings, exc)
            raise
        return handler(command)(arguments, ready)


def _probe(argv: Sequence[str]) -> int:
    """Print one line, and return one of Nagios' exit codes, even if the arguments are wrong."""
    state: Literal["critical", "unknown"] = "unknown"
    try:
        return _execute(argv)
    except DatabaseUnavailableError as exc:
        state, text = "critical", str(exc)
    except PipelineError as exc:
        text = str(exc)
    except Exception as exc:  # noqa: BLE001  (a bug is reported as unknown)
        text = f"a bug in the probe: {type(exc).__name__}"
    print(probe_text(state, log.redact(text)))
    return NAGIOS[state]


def handler(command: str) -> Handler:
    """Return the handler of a command.

    Arguments:
        command: a key of `HANDLERS`.

    """
    found: Handler = _function(HANDLERS[command])
    return found


def _function(name: str) -> Any:
    module, function = name.split(".")
    return getattr(import_module(f"ingestion.cli.{module}"), function)


def _command(arguments: argparse.Namespace) -> str:
    """Return the command, with what gives it a handler of its own: a key of `HANDLERS`."""
    match arguments.command:
        case "alert" | "release" | "rejected" as command:
            return f"{command} {arguments.what}"
        case "transform" if arguments.compare:
            return "transform --compare"
        case "report" if arguments.serve:
            return "report --serve"
        case "digest" if arguments.test:
            return "digest --test"
        case "follow-up" if arguments.format == "redcap-dictionary":
            return "follow-up --format redcap-dictionary"
        case command:
            return str(command)


@contextmanager
def _with_database(settings: Settings) -> Iterator[Settings]:
    """Yield the settings with a database: the configured one, or else the embedded server, if installed."""
    if settings.database is None and embedded.is_available():
        with embedded.server() as database:
            yield replace(settings, database=database)
    else:
        log.hide([settings.known_database.secret])
        yield settings


def _settings(arguments: argparse.Namespace) -> Settings:
    given = {
        name: value
        for name in ("data_dir", "use_manifest", "schema", "workers", "log_format")
        if (value := getattr(arguments, name, None)) is not None
    }
    if getattr(arguments, "with_user_ids", False):
        given["report_user_ids"] = True
    return replace(Settings.from_environment(), **given)
