"""`status`, `runs` and `files`: what the database says about runs, files and datasets."""

import argparse
from dataclasses import asdict, replace

from ingestion import db, history
from ingestion.cli import status as text
from ingestion.cli.output import NAGIOS, console, print_json
from ingestion.config import Settings
from ingestion.health import read_status


def status(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show the state of the pipeline, and return the exit code.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
    found = read_status(_impatient_engine(settings, arguments.timeout), settings, with_dates=not arguments.probe)
    if arguments.probe:
        print(text.probe_line(found))
        return NAGIOS[found.state]
    if arguments.json:
        print_json({"state": found.state, "is_healthy": found.is_healthy, **asdict(found)})
    else:
        console().print(text.show_status(found))
    return 0 if found.is_healthy else 1


def runs(arguments: argparse.Namespace, settings: Settings) -> int:
    """List runs, or show one.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
    with db.session(db.ready_engine(settings)) as connection:
        if arguments.what == "show":
            record = history.record_of(connection, history.find_run(connection, arguments.run))
            if arguments.json:
                print_json(asdict(record))
            else:
                console().print(text.show_run(record))
            return 0
        found = history.runs(connection, limit=arguments.limit, is_failed=arguments.failed, since=arguments.since)
    if arguments.json:
        print_json({"runs": [asdict(run) for run in found]})
    else:
        console().print(text.show_runs(found))
    return 0


def files(arguments: argparse.Namespace, settings: Settings) -> int:
    """List the files in the manifest.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
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
        console().print(text.show_files(found, arguments.limit))
    return 0


def _impatient_engine(settings: Settings, seconds: int) -> db.Connector:
    """Return an engine that tries once and gives up after these seconds."""
    engine = db.create_engine(replace(settings, statement_timeout_seconds=seconds), connect_seconds=max(seconds, 2))
    db.wait_until_ready(engine, 0)
    return engine
