"""The command-line parser."""

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from ingestion import __version__
from ingestion.config.kinds import SCHEMA, check_schema
from ingestion.errors import UsageError
from ingestion.follow_up import REASONS

_OF_COMPARISONS = ("vars", "keep", "limit", "with_user_ids", "json")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command and its options.

    Arguments:
        argv: the arguments without the program's name.

    Returns:
        The options by name, with `command`, and `psql_arguments` for psql.

    Raises:
        UsageError: a command or an option does not exist.

    """
    parser = _parser()
    arguments, others = parser.parse_known_args(_with_implied(argv))
    if others and arguments.command != "psql":
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    if arguments.command == "transform" and not arguments.compare:
        for name in _OF_COMPARISONS:
            if getattr(arguments, name) not in {None, False}:
                parser.error(f"--{name.replace('_', '-')} belongs to --compare")
    arguments.psql_arguments = others
    return arguments


def _with_implied(argv: Sequence[str]) -> list[str]:
    """Return the arguments with the word that may be left out: `release DIR` is `release write DIR`."""
    first = list(argv[:2])
    is_short = first[:1] == ["release"] and first[1:] not in ([], ["write"], ["diff"], ["-h"], ["--help"])
    return ["release", "write", *argv[1:]] if is_short else list(argv)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"See: {self.prog} --help")


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m ingestion",
        description="Load exports of wearable devices into PostgreSQL and build the marts with dbt.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    run = command("run", "apply migrations, load files, build the marts, write the report")
    _add_log_format(run)
    _add_landing_zone(run)
    run.add_argument("--force", action="store_true", help="load and build everything again")

    ingest = command("ingest", "apply migrations, load files")
    _add_log_format(ingest)
    _add_landing_zone(ingest)
    ingest.add_argument("--force", action="store_true", help="load files that are already loaded, too")
    ingest.add_argument("--dry-run", action="store_true", help="load in a transaction, show the result, and roll back")
    ingest.add_argument(
        "--check", action="store_true", help="like --dry-run; exit code 1 if anything would be rejected or refused"
    )

    _add_transform(command("transform", "apply migrations, build the marts, write the report"))

    _add_migrate(command("migrate", "apply the migrations in sql/"))

    reload = command("reload", "load files again, even if they are loaded or retracted; then build the marts")
    _add_log_format(reload)
    _add_landing_zone(reload, with_mode=False)
    _add_filenames(reload)

    retract = command("retract", "remove the rows of files and do not load these files again; then build the marts")
    _add_log_format(retract)
    _add_schema(retract)
    retract.add_argument("--reason", required=True, help="the reason, stored in the manifest")
    _add_filenames(retract)

    erase = command("erase", "delete a participant's data, keep it out, print a receipt; then build the marts")
    _add_log_format(erase)
    _add_schema(erase)
    erase.add_argument("--user-id", type=_user_id, required=True, metavar="ID", help="the participant")

    _add_rejected(command("rejected", "show or replay rejected rows"))

    _add_alert(command("alert", "test the alert channels or list open alerts"))
    _add_digest(command("digest", "print the weekly digest, send it now, or send a test"))

    ls = command("ls", "list the files of the landing zone and what ingest would do with each")
    ls.add_argument("data_dir", nargs="?", metavar="DIR", help="the landing zone; default: PIPELINE_DATA_DIR")
    ls.add_argument("--json", action="store_true", help="print one JSON object per file")
    _add_schema(ls)

    land = command("land", "add files to the landing zone, atomically and without replacing any")
    land.add_argument("--data-dir", metavar="DIR", help="the landing zone")
    land.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="a file on this machine")

    _add_sources(command("sources", "list what can be dropped, or tell what a file would be taken for"))
    _add_report(command("report", "write or serve the report, or look up a pseudonym"))
    _add_follow_up(command("follow-up", "list whom to call, why, and whether it is the person or the device"))
    _add_release(command("release", "write a frozen data set of the marts, or compare two"))
    _add_status(command("status", "show the state of the pipeline; exit code 1 if it is not healthy"))
    _add_runs(command("runs", "list runs, or show everything recorded about one"))
    _add_files(command("files", "list the files in the manifest, newest first"))
    commands.add_parser(
        "psql", help="open psql on the pipeline's database; passes further arguments on", add_help=False
    )
    return parser


def _add_log_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--log-format", choices=("auto", "json", "text"), help="how the log is written")


def _add_schema(command: argparse.ArgumentParser) -> None:
    command.add_argument("--schema", type=_schema, help="the schema of the raw tables")


def _add_landing_zone(command: argparse.ArgumentParser, *, with_mode: bool = True) -> None:
    command.add_argument("--data-dir", metavar="DIR", help="the landing zone")
    command.add_argument("--workers", type=int, metavar="N", help="how many files to load in parallel")
    _add_schema(command)
    if with_mode:
        command.add_argument(
            "--use-manifest",
            action=argparse.BooleanOptionalAction,
            help="load each file once; without it, a run replaces the contents of the tables",
        )
        command.add_argument(
            "--since",
            type=_moment,
            metavar="TIME",
            help="only files written since this time: ISO 8601 in UTC, or an age such as 24h",
        )
        command.add_argument(
            "--retract-vanished", action="store_true", help="retract files that are no longer in the landing zone"
        )


def _add_filenames(command: argparse.ArgumentParser) -> None:
    command.add_argument("filenames", nargs="+", metavar="FILE", help="the file's path in the landing zone")


def _add_sources(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
    what = command.add_subparsers(dest="what", metavar="check|new")
    check = what.add_parser("check", help="tell what a file would be taken for, why, and what would be loaded of it")
    new = what.add_parser("new", help="draft the declaration, the table and the staging model of an unknown file")
    for each in (check, new):
        each.add_argument("file", metavar="FILE", help="a file on this machine, or its path in the landing zone")
        each.add_argument("--data-dir", metavar="DIR", help="the landing zone")
    check.add_argument("--json", action="store_true", help="print JSON")
    _add_schema(check)
    new.add_argument("--name", required=True, metavar="DATASET", help="the name of the dataset and of its raw table")
    new.add_argument("--into", type=Path, metavar="DIR", help="where to write; by default, into the repository")


def _add_transform(transform: argparse.ArgumentParser) -> None:
    _add_log_format(transform)
    _add_schema(transform)
    what = transform.add_mutually_exclusive_group()
    what.add_argument("--force", action="store_true", help="build even if nothing has changed")
    what.add_argument(
        "--compare",
        action="store_true",
        help="build other marts beside the present ones, show who would have another status, and drop them",
    )
    transform.add_argument(
        "--vars", metavar="YAML", help="with --compare: other cut-offs, on top of PIPELINE_DBT_VARS: {min_steps: 500}"
    )
    transform.add_argument("--keep", action="store_true", help="with --compare: leave the other marts in the database")
    transform.add_argument(
        "--limit", type=_count, metavar="N", help="with --compare: how many participants to list; default: 50"
    )
    transform.add_argument(
        "--with-user-ids", action="store_true", help="with --compare: show user ids instead of pseudonyms"
    )
    transform.add_argument("--json", action="store_true", help="with --compare: print JSON")


def _add_migrate(command: argparse.ArgumentParser) -> None:
    _add_log_format(command)
    what = command.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="list applied and pending migrations")
    what.add_argument("--plan", action="store_true", help="print the SQL of pending migrations")
    what.add_argument(
        "--baseline", type=int, metavar="N", help="record migrations up to number N as applied without running them"
    )
    for direction, text in (
        ("distribute", "also spread the raw tables over the workers of a Citus cluster"),
        ("undistribute", "also bring the raw tables back to one node"),
    ):
        what.add_argument(f"--{direction}", dest="distribution", action="store_const", const=direction, help=text)
    text = "with --distribute or --undistribute: how many rows may be moved (default: 0)"
    command.add_argument("--move-rows", type=int, default=0, metavar="N", help=text)


def _add_rejected(command: argparse.ArgumentParser) -> None:
    what = command.add_subparsers(dest="what", required=True, metavar="list|show|export|replay")
    for name, text in (
        ("list", "list files, reasons and counts"),
        ("show", "list line, column and reason of a file's rejected rows, without the rows"),
        ("export", "print a file's rejected rows; they contain health data"),
    ):
        each = what.add_parser(name, help=text, description=text)
        _add_schema(each)
        if name != "list":
            each.add_argument("filename", metavar="FILE", help="the file's path in the landing zone")
        if name == "export":
            each.add_argument(
                "--as-is", action="store_true", help="without an apostrophe before cells that a spreadsheet would run"
            )
    replay = what.add_parser("replay", help="check rejected rows again, after their declaration was corrected")
    _add_log_format(replay)
    _add_schema(replay)
    _add_filenames(replay)


def _add_report(report: argparse.ArgumentParser) -> None:
    report.add_argument("--output", type=Path, metavar="FILE", help="write the report to this file only")
    report.add_argument("--with-user-ids", action="store_true", help="show user ids instead of pseudonyms")
    show = "show this participant (user id or pseudonym) in any case; can be repeated; needs --output"
    report.add_argument("--participant", action="append", default=[], metavar="ID", help=show)
    report.add_argument("--open", action="store_true", help="open the report in a browser")
    report.add_argument(
        "--serve", action="store_true", help="serve the existing reports to this machine until interrupted"
    )
    report.add_argument(
        "--port", type=int, default=8765, metavar="N", help="the port to serve on; 0 chooses a free one"
    )
    what = report.add_subparsers(dest="what", metavar="who")
    who = what.add_parser(
        "who", help="print the user id of a pseudonym", description="Print the user id of a pseudonym."
    )
    who.add_argument("pseudonym", metavar="PSEUDONYM", help="a pseudonym from a report, such as K7QM-2XHT")


def _add_follow_up(follow_up: argparse.ArgumentParser) -> None:
    follow_up.add_argument(
        "--reason",
        action="append",
        choices=[reason.replace("_", "-") for reason in REASONS],
        help="only for this reason",
    )
    follow_up.add_argument("--arm", help="only of this arm")
    follow_up.add_argument("--site", help="only of this site")
    follow_up.add_argument("--new", action="store_true", help="only who was not on the list of the report before")
    follow_up.add_argument(
        "--limit", type=_count, metavar="N", help="the maximum number; the first are to be called first"
    )
    follow_up.add_argument("--with-user-ids", action="store_true", help="show user ids instead of pseudonyms")
    follow_up.add_argument(
        "--format",
        choices=("table", "csv", "json", "redcap", "redcap-dictionary"),
        default="table",
        help="`redcap` is its import, with user ids; `redcap-dictionary` is the instrument for it",
    )
    follow_up.add_argument("--output", type=Path, metavar="FILE", help="write to this file")
    follow_up.add_argument(
        "--redcap-record-id",
        type=_redcap_name,
        default="record_id",
        metavar="NAME",
        help="the name of the project's first field; default: record_id",
    )
    follow_up.add_argument(
        "--redcap-event",
        type=_redcap_name,
        metavar="NAME",
        help="of a longitudinal project: the unique name of the event",
    )


def _add_release(release: argparse.ArgumentParser) -> None:
    what = release.add_subparsers(dest="what", required=True, metavar="write|diff")
    text = "write a release; `release DIR` does the same"
    write = what.add_parser("write", help=text, description=text)
    write.add_argument("folder", type=Path, metavar="DIR", help="a new folder, or an empty one")
    write.add_argument("--format", choices=("csv", "parquet"), help="write the tables in this format only")
    write.add_argument("--staging", action="store_true", help="write the tables that the marts are made from, too")
    write.add_argument("--with-user-ids", action="store_true", help="write user ids instead of pseudonyms")
    write.add_argument("--force", action="store_true", help="write marts whose tests failed, too")
    write.add_argument("--json", action="store_true", help="print JSON")
    _add_schema(write)
    text = "say what differs between two releases; exit code 1 if anything does"
    diff = what.add_parser("diff", help=text, description=text)
    diff.add_argument("first", type=Path, metavar="A", help="the folder of the earlier release")
    diff.add_argument("second", type=Path, metavar="B", help="the folder of the later release")
    diff.add_argument("--json", action="store_true", help="print JSON, with all names")


def _add_alert(alert: argparse.ArgumentParser) -> None:
    what = alert.add_subparsers(dest="what", required=True, metavar="test|list")
    for name, text in (
        ("test", "send a test alert to each channel; exit code 1 if one fails"),
        ("list", "list open alerts: since when, and which channels were notified"),
    ):
        what.add_parser(name, help=text, description=text)


def _add_digest(digest: argparse.ArgumentParser) -> None:
    what = digest.add_mutually_exclusive_group(required=True)
    what.add_argument("--dry-run", action="store_true", help="print the digest as text, and send nothing")
    what.add_argument("--now", action="store_true", help="send it to each channel; it counts as that of this week")
    what.add_argument(
        "--test", action="store_true", help="send a test without data to each channel; exit code 1 if one fails"
    )


def _add_status(status: argparse.ArgumentParser) -> None:
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument(
        "--probe",
        action="store_true",
        help="print one line with metrics, and exit with 0, 1, 2 or 3, as Nagios expects",
    )
    status.add_argument(
        "--timeout", type=int, default=5, metavar="SECONDS", help="how long to wait for the server, and for each query"
    )
    _add_schema(status)


def _add_runs(runs: argparse.ArgumentParser) -> None:
    runs.add_argument("--limit", type=_count, default=20, metavar="N", help="the maximum number")
    runs.add_argument("--failed", action="store_true", help="only runs that failed or died")
    runs.add_argument(
        "--since",
        type=_moment,
        metavar="TIME",
        help="only runs started since this time: ISO 8601 in UTC, or an age such as 24h",
    )
    runs.add_argument("--json", action="store_true", help="print JSON")
    show = runs.add_subparsers(dest="what", metavar="show").add_parser(
        "show", help="show everything recorded about a run"
    )
    show.add_argument("run", nargs="?", default="last", metavar="RUN", help="the first digits of its run_id, or `last`")
    # with a default, this option would reset `runs --json show`
    show.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def _add_files(files: argparse.ArgumentParser) -> None:
    files.add_argument("pattern", nargs="?", metavar="NAME", help="a part of the name, or a pattern with * and ?")
    files.add_argument(
        "--status", choices=("loaded", "replaced", "duplicate", "refused", "retracted"), help="only these"
    )
    files.add_argument("--dataset", metavar="DATASET", help="only files of this dataset")
    files.add_argument("--limit", type=_count, default=50, metavar="N", help="the maximum number")
    files.add_argument("--json", action="store_true", help="print JSON")
    _add_schema(files)


def _schema(text: str) -> str:
    try:
        return check_schema(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not {SCHEMA.form}") from None


def _user_id(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("no id")
    return text.strip()


def _redcap_name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise argparse.ArgumentTypeError("not a name of REDCap: lower case letters, digits and _, a letter first")
    return text


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
