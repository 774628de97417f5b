"""One small handler per command, and the exit code. Only this package prints."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import webbrowser
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine

from ingestion import db, embedded, history, landing, log, manifest, migrate, quarantine, report
from ingestion.alerts import open_incidents, send_test
from ingestion.cli import compare, digest, follow_up, release, sources, summary
from ingestion.cli import status as status_text
from ingestion.cli.arguments import parse
from ingestion.cli.cells import without_formulas
from ingestion.cli.output import PLAIN_WIDTH, console, explain, print_json
from ingestion.config import Settings
from ingestion.errors import ConfigurationError, DatabaseUnavailableError, Interrupted, PipelineError, exit_code_of
from ingestion.health import State, read_status
from ingestion.printable import printable
from ingestion.results import Command
from ingestion.runner import STEPS, dry_run, report_failed_start, run
from ingestion.signals import Interruptible
from ingestion.sources import persons
from ingestion.steps import RunOptions, check_recognised
from ingestion.storage import open_storage

_NAGIOS: dict[State, int] = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


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
    if handler := _handler_without_database(arguments):
        return handler(arguments, settings)
    with ExitStack() as resources:
        try:
            ready = resources.enter_context(_with_database(settings))
        except PipelineError as exc:
            if command := _recorded_run(arguments):
                report_failed_start(settings, command, exc)
            raise
        return _COMMANDS[arguments.command](arguments, ready)


def _probe(argv: Sequence[str]) -> int:
    """Print one line, and return one of Nagios' exit codes, even if the arguments are wrong."""
    state: State = "unknown"
    try:
        return _execute(argv)
    except DatabaseUnavailableError as exc:
        state, text = "critical", str(exc)
    except PipelineError as exc:
        text = str(exc)
    except Exception as exc:  # noqa: BLE001  (a bug is reported as unknown)
        text = f"a bug in the probe: {type(exc).__name__}"
    print(status_text.probe_text(state, log.redact(text)))
    return _NAGIOS[state]


def _handler_without_database(arguments: argparse.Namespace) -> Callable[[argparse.Namespace, Settings], int] | None:
    """Return the handler of a command that needs no database."""
    if arguments.command == "report" and arguments.serve:
        return _serve
    if arguments.command == "alert" and arguments.what == "test":
        return _test_alerts
    if arguments.command == "digest" and arguments.test:
        return digest.test
    if arguments.command == "follow-up" and arguments.format == "redcap-dictionary":
        return follow_up.write_dictionary
    if arguments.command == "release" and arguments.what == "diff":
        return release.diff
    return {"land": _land, "sources": sources.handle}.get(arguments.command)


def _recorded_run(arguments: argparse.Namespace) -> Command | None:
    """Return the run that the command starts, or None if it only shows something."""
    if arguments.command == "rejected":
        return "replay" if arguments.what == "replay" else None
    only_shows = any(getattr(arguments, name, False) for name in ("dry_run", "check", "status", "plan", "compare"))
    if only_shows or getattr(arguments, "baseline", None) is not None or arguments.command not in STEPS:
        return None
    command: Command = arguments.command
    return command


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    result = run(settings, arguments.command, _options(arguments))
    if result.error:
        explain(result.error_summary or str(result.error), getattr(result.error, "hint", None))
    if result.receipt:
        print(json.dumps(vars(result.receipt), indent=2))
    if result.ingest or not result.error:
        terminal = log.console() or Console(stderr=True, soft_wrap=True, width=PLAIN_WIDTH)
        summary.show_run(terminal, result, db.create_engine(settings), settings.known_database)
    return result.exit_code


def _options(arguments: argparse.Namespace) -> RunOptions:
    return RunOptions(
        force=getattr(arguments, "force", False),
        filenames=tuple(getattr(arguments, "filenames", ())),
        since=getattr(arguments, "since", None),
        retract_vanished=getattr(arguments, "retract_vanished", False),
        reason=log.redact(getattr(arguments, "reason", "")),
        user_id=getattr(arguments, "user_id", None),
    )


def _ingest(arguments: argparse.Namespace, settings: Settings) -> int:
    if _recorded_run(arguments):
        return _run(arguments, settings)
    result = dry_run(settings, _options(arguments))
    console().print(summary.show_dry_run(result))
    check_recognised(result)
    would_be_rejected = bool(result.refused or result.counts.rejected)
    return 1 if arguments.check and would_be_rejected else 0


def _transform(arguments: argparse.Namespace, settings: Settings) -> int:
    return compare.handle(arguments, settings) if arguments.compare else _run(arguments, settings)


def _migrate(arguments: argparse.Namespace, settings: Settings) -> int:
    if _recorded_run(arguments):
        return _run(arguments, settings)
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


def _status(arguments: argparse.Namespace, settings: Settings) -> int:
    status = read_status(_impatient_engine(settings, arguments.timeout), settings, with_dates=not arguments.probe)
    if arguments.probe:
        print(status_text.probe_line(status))
        return _NAGIOS[status.state]
    if arguments.json:
        print_json({"state": status.state, "is_healthy": status.is_healthy, **asdict(status)})
    else:
        console().print(status_text.show_status(status))
    return 0 if status.is_healthy else 1


def _report(arguments: argparse.Namespace, settings: Settings) -> int:
    engine = db.ready_engine(settings)
    if arguments.what == "who":
        for user_id in report.who(engine, arguments.pseudonym):
            print(user_id)
    elif arguments.output:
        report.write_latest(engine, settings, arguments.output)
        print(arguments.output)
        if arguments.open:
            _open(arguments.output.resolve().as_uri())
    else:
        location = report.publish_latest(engine, settings).location
        print(location)
        if arguments.open and "://" not in location:
            _open(Path(location).resolve().as_uri())
    return 0


def _serve(arguments: argparse.Namespace, settings: Settings) -> int:
    server = report.Server(settings, arguments.port)
    print(f"Serving {settings.reports} on {server.url} for this machine. Press Ctrl-C to stop.", flush=True)
    with ExitStack() as resources:
        if arguments.open:
            _open(resources.enter_context(server.opener()))
        server.serve()
    return 0


def _open(url: str) -> None:
    has_screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if not (has_screen and webbrowser.open(url)):
        print("This machine has no screen. Copy the report to another machine, or serve it with: report --serve")


def _runs(arguments: argparse.Namespace, settings: Settings) -> int:
    with db.session(db.ready_engine(settings)) as connection:
        if arguments.what == "show":
            record = history.record_of(connection, history.find_run(connection, arguments.run))
            if arguments.json:
                print_json(asdict(record))
            else:
                console().print(status_text.show_run(record))
            return 0
        found = history.runs(connection, limit=arguments.limit, is_failed=arguments.failed, since=arguments.since)
    if arguments.json:
        print_json({"runs": [asdict(run) for run in found]})
    else:
        console().print(status_text.show_runs(found))
    return 0


def _files(arguments: argparse.Namespace, settings: Settings) -> int:
    with db.session(db.ready_engine(settings)) as connection:
        found = history.files(
            connection,
            settings.schema,
            limit=arguments.limit,
            status=arguments.status,
            dataset=arguments.dataset,
            pattern=arguments.pattern,
        )
    if arguments.json:
        print_json({"files": [asdict(file) for file in found]})
    else:
        console().print(status_text.show_files(found, arguments.limit))
    return 0


def _impatient_engine(settings: Settings, seconds: int) -> Engine:
    """Return an engine that tries once and gives up after these seconds."""
    engine = db.create_engine(replace(settings, statement_timeout_seconds=seconds), connect_seconds=max(seconds, 2))
    db.wait_until_ready(engine, 0)
    return engine


def _rejected(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.what == "replay":
        arguments.command = "replay"
        return _run(arguments, settings)
    engine = db.ready_engine(settings)
    with db.transaction(engine, role=settings.loader_role) as connection:
        if arguments.what == "list":
            console().print(summary.show_quarantine(quarantine.groups(connection, settings.schema)))
            return 0
        manifest.check_loaded(connection, settings.schema, arguments.filename)
        if arguments.what == "show":
            rows = quarantine.rows_of(connection, settings.schema, arguments.filename)
            console().print(summary.show_rejected(rows))
        else:
            for row in quarantine.raw_rows_of(connection, settings.schema, arguments.filename):
                _print_row(row.raw if arguments.as_is else without_formulas(row.raw))
            sys.stdout.buffer.flush()
    return 0


def _print_row(row: bytes) -> None:
    if sys.stdout.isatty():
        row = printable(row.decode(errors="backslashreplace"), keep="\t").encode()
    sys.stdout.buffer.write(row + b"\n")


def _test_alerts(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    if not settings.alerts.is_on:
        raise ConfigurationError(
            "no alert channel is configured", hint="See docs/alerts.md for an example of each channel."
        )
    outcomes = send_test(settings)
    for name, error in outcomes:
        print(f"{name:<20}  {f'failed: {error}' if error else 'ok'}")
    return 1 if any(error for _, error in outcomes) else 0


def _alert(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    db.wait_until_ready(db.create_engine(settings), settings.db_wait_seconds)
    console().print(summary.show_alerts(open_incidents(settings)))
    return 0


def _ls(arguments: argparse.Namespace, settings: Settings) -> int:
    engine = db.ready_engine(settings)
    storage = open_storage(settings.landing_zone, timeout_seconds=settings.storage_timeout_seconds)
    found: Counter[str] = Counter()
    for each in landing.preview(engine, storage, settings.schema, min_age_seconds=settings.min_age_seconds):
        found[each.state] += 1
        if arguments.json:
            fields = {"name": each.file.name, "size": each.file.size, "dataset": each.dataset}
            print(json.dumps({**fields, "device": each.device, "state": each.state, "detail": each.detail}))
        else:
            name = printable(each.file.name) + (f"  ({printable(each.detail)})" if each.detail else "")
            print(
                f"{each.state:<9}  {each.dataset or '-':<20}  {each.device or '-':<18}  {each.file.size:>13,}  {name}"
            )
    counts = ", ".join(f"{count:,} {state}" for state, count in found.items())
    print(f"{printable(log.redact(settings.landing_zone))}: {counts or 'no files'}", file=sys.stderr)
    if set(found) == {"unknown"}:
        explain(
            "none of these files is recognised: an ingest would fail", "See docs/datasets.md for names and columns."
        )
    return 0


def _land(arguments: argparse.Namespace, settings: Settings) -> int:
    # the landing zone of a run with the manifest, and not the sample data
    location = replace(settings, use_manifest=True).landing_zone
    storage = open_storage(location, timeout_seconds=settings.storage_timeout_seconds)
    today = datetime.now(UTC).date()
    for path in arguments.paths:
        landed = landing.land(storage, path, today)
        what = "landed" if landed.is_new else "exists"
        print(
            f"{what:<9}  {printable(landed.name)}" + ("" if landed.dataset else "  (no declared dataset has this name)")
        )
    return 0


def _psql(arguments: argparse.Namespace, settings: Settings) -> int:
    # psql of the embedded server has its version; that of the machine may be older
    psql = embedded.psql() or shutil.which("psql")
    if psql is None:
        raise ConfigurationError("psql is not installed", hint="Install postgresql-client.")
    environment = {**os.environ, **settings.known_database.environment}
    return subprocess.run([psql, *arguments.psql_arguments], env=environment, check=False).returncode


_COMMANDS = {
    **dict.fromkeys(("run", "reload", "retract", "erase"), _run),
    "ingest": _ingest,
    "transform": _transform,
    "migrate": _migrate,
    "rejected": _rejected,
    "report": _report,
    "follow-up": follow_up.handle,
    "release": release.write,
    "digest": digest.handle,
    "status": _status,
    "alert": _alert,
    "runs": _runs,
    "files": _files,
    "ls": _ls,
    "psql": _psql,
}


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
