"""`report`: write the report, serve it, or look up a pseudonym."""

import argparse
import os
import sys
import webbrowser
from contextlib import ExitStack
from pathlib import Path

from ingestion import db, report
from ingestion.config import Settings
from ingestion.errors import UsageError
from ingestion.report.serving import Server


def write(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write the report, or look up a pseudonym.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    Raises:
        UsageError: the arguments do not fit together.

    """
    engine = db.ready_engine(settings)
    if arguments.what == "who":
        for user_id in report.who(engine, arguments.pseudonym):
            print(user_id)
    elif arguments.participant and not arguments.output:
        raise UsageError("--participant needs --output", hint="Name a file for this report.")
    elif arguments.output:
        report.write_latest(engine, settings, arguments.output, arguments.participant)
        print(arguments.output)
        if arguments.open:
            _open(arguments.output.resolve().as_uri())
    else:
        location = report.publish_latest(engine, settings).location
        print(location)
        if arguments.open and "://" not in location:
            _open(Path(location).resolve().as_uri())
    return 0


def serve(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve the reports that are kept until interrupted.

    Arguments:
        arguments: its arguments.
        settings: the settings.

    """
    server = Server(settings, arguments.port)
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
