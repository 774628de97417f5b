"""What can be written behind `python -m ingestion`."""

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from ingestion import __version__
from ingestion.errors import UsageError


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read a command and its options.

    Arguments:
        argv: without the program's name.

    Returns:
        The options by their names; `command` among them, and `psql_arguments`, which are psql's own.

    Raises:
        UsageError: a command or an option that does not exist.

    """
    parser = _parser()
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.command != "psql":
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    arguments.psql_arguments = others
    return arguments


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"See: {self.prog} --help")


def _parser() -> _Parser:
    parser = _Parser(prog="python -m ingestion", description="Wearable-device CSV drops into Postgres, and on to dbt.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    run = command("run", "apply sql/, ingest, build the marts")
    _add_log_format(run)
    _add_landing_zone(run)
    run.add_argument("--force", action="store_true", help="load and build even what has not changed")

    ingest = command("ingest", "apply sql/, ingest")
    _add_log_format(ingest)
    _add_landing_zone(ingest)
    ingest.add_argument("--force", action="store_true", help="load even what is loaded already")
    ingest.add_argument("--dry-run", action="store_true", help="do it all in the database, show it, and roll it back")
    ingest.add_argument("--check", action="store_true", help="the same; exit code 1 where anything would be rejected")

    transform = command("transform", "apply sql/, build the marts")
    _add_log_format(transform)
    _add_schema(transform)
    transform.add_argument("--force", action="store_true", help="build even where nothing has changed")

    _add_migrate(command("migrate", "apply sql/"))

    reload = command("reload", "load files again, whatever the manifest says of them; then build the marts")
    _add_log_format(reload)
    _add_landing_zone(reload, with_mode=False)
    _add_filenames(reload)

    retract = command("retract", "take files' rows out everywhere, and keep them out; then build the marts")
    _add_log_format(retract)
    _add_schema(retract)
    retract.add_argument("--reason", required=True, help="why; kept in the manifest")
    _add_filenames(retract)

    erase = command("erase", "remove a person everywhere, keep them out, print a receipt; then build the marts")
    _add_log_format(erase)
    _add_schema(erase)
    erase.add_argument("--user-id", type=int, required=True, metavar="ID")

    _add_rejected(command("rejected", "what is in quarantine"))

    alert = command("alert", "who is told when something is wrong")
    what = alert.add_subparsers(dest="what", required=True, metavar="test|list")
    for name, text in (
        ("test", "send one by each channel; exit code 1 where one failed"),
        ("list", "what is wrong at present, since when, and who was told"),
    ):
        what.add_parser(name, help=text, description=text)

    ls = command("ls", "what an ingest would take up: new, changed, known or unknown")
    ls.add_argument("data_dir", nargs="?", metavar="DIR", help="the landing zone, where it is another than as set")
    ls.add_argument("--json", action="store_true", help="for machines: a line a file")
    _add_schema(ls)

    land = command("land", "put files into the landing zone, whole, under names that nothing else has")
    land.add_argument("--data-dir", metavar="DIR", help="the landing zone")
    land.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="on this machine")

    _add_report(command("report", "write the report of the latest run, show those there are, or say who somebody is"))
    _add_status(command("status", "how things stand; exit code 1 where the last run failed"))
    _add_runs(command("runs", "the runs, newest first; `runs show RUN`: all that is on record of one"))
    _add_files(command("files", "what the manifest knows of files, the latest first"))
    commands.add_parser(
        "psql", help="open psql on the pipeline's database; further arguments are psql's", add_help=False
    )
    return parser


def _add_log_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--log-format", choices=("auto", "json", "text"))


def _add_schema(command: argparse.ArgumentParser) -> None:
    command.add_argument("--schema", help="the schema of the raw tables")


def _add_landing_zone(command: argparse.ArgumentParser, *, with_mode: bool = True) -> None:
    command.add_argument("--data-dir", metavar="DIR", help="the landing zone")
    command.add_argument("--workers", type=int, metavar="N", help="how many files to load at the same time")
    _add_schema(command)
    if with_mode:
        command.add_argument(
            "--use-manifest",
            action=argparse.BooleanOptionalAction,
            help="load each file once; without it a run replaces what the tables hold",
        )
        command.add_argument(
            "--since",
            type=_moment,
            metavar="TIME",
            help="look only at files written since then (ISO 8601; UTC), or in the last 24h",
        )
        command.add_argument(
            "--retract-vanished", action="store_true", help="retract files that are no longer in the landing zone"
        )


def _add_filenames(command: argparse.ArgumentParser) -> None:
    command.add_argument("filenames", nargs="+", metavar="FILE", help="its path below the data directory")


def _add_migrate(command: argparse.ArgumentParser) -> None:
    _add_log_format(command)
    what = command.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="show what is applied and what is pending")
    what.add_argument("--plan", action="store_true", help="print what would be applied")
    what.add_argument(
        "--baseline", type=int, metavar="N", help="record files up to number N as applied without running them"
    )


def _add_rejected(command: argparse.ArgumentParser) -> None:
    what = command.add_subparsers(dest="what", required=True, metavar="list|show|export|replay")
    for name, text in (
        ("list", "files, reasons and counts"),
        ("show", "line, column and reason of each row of a file, without the row"),
        ("export", "the rows themselves, as they came: for who may see them"),
    ):
        each = what.add_parser(name, help=text, description=text)
        _add_schema(each)
        if name != "list":
            each.add_argument("filename", metavar="FILE", help="its path below the data directory")
    replay = what.add_parser("replay", help="judge the rows of files again, after their dataset was mended")
    _add_log_format(replay)
    _add_schema(replay)
    _add_filenames(replay)


def _add_report(report: argparse.ArgumentParser) -> None:
    report.add_argument("--output", type=Path, metavar="FILE", help="write it there, and nowhere else")
    report.add_argument("--with-user-ids", action="store_true", help="call people by their user ids, not by pseudonyms")
    report.add_argument("--open", action="store_true", help="open it in a browser, where there is a screen")
    report.add_argument("--serve", action="store_true", help="serve those there are to this machine, until interrupted")
    report.add_argument("--port", type=int, default=8765, metavar="N", help="to serve on; 0 takes a free one")
    what = report.add_subparsers(dest="what", metavar="who")
    who = what.add_parser("who", help="the user id behind a pseudonym", description="The user id behind a pseudonym.")
    who.add_argument("pseudonym", metavar="PSEUDONYM", help="as in a report: K7QM-2XHT")


def _add_status(status: argparse.ArgumentParser) -> None:
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for machines")
    form.add_argument(
        "--probe", action="store_true", help="one line with figures, and exit code 0, 1, 2 or 3 as Nagios has them"
    )
    status.add_argument(
        "--timeout", type=int, default=5, metavar="SECONDS", help="how long to wait for the server, and for any answer"
    )
    _add_schema(status)


def _add_runs(runs: argparse.ArgumentParser) -> None:
    runs.add_argument("--limit", type=_count, default=20, metavar="N", help="how many")
    runs.add_argument("--failed", action="store_true", help="only those that failed or died")
    runs.add_argument(
        "--since", type=_moment, metavar="TIME", help="only those begun since then (ISO 8601; UTC), or in the last 24h"
    )
    runs.add_argument("--json", action="store_true", help="for machines")
    show = runs.add_subparsers(dest="what", metavar="show").add_parser("show", help="all that is on record of a run")
    show.add_argument("run", nargs="?", default="last", metavar="RUN", help="the first digits of its run_id; or: last")
    # a default of its own would undo `runs --json show`
    show.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="for machines")


def _add_files(files: argparse.ArgumentParser) -> None:
    files.add_argument("pattern", nargs="?", metavar="NAME", help="what is in the name; * and ? stand for any")
    files.add_argument("--status", choices=("loaded", "replaced", "duplicate", "refused", "retracted"))
    files.add_argument("--dataset", metavar="DATASET")
    files.add_argument("--limit", type=_count, default=50, metavar="N", help="how many")
    files.add_argument("--json", action="store_true", help="for machines")
    _add_schema(files)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _moment(text: str) -> datetime:
    if span := re.fullmatch(r"(\d{1,6})([mhd])", text):
        unit = {"m": "minutes", "h": "hours", "d": "days"}[span[2]]
        return datetime.now(UTC) - timedelta(**{unit: int(span[1])})
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
