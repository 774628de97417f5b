"""`rejected`: show the rows in quarantine."""

import argparse
import sys

from ingestion import db, manifest, quarantine
from ingestion.cli import summary
from ingestion.cli.cells import without_formulas
from ingestion.cli.output import console
from ingestion.config import Settings
from ingestion.printable import printable


def show(arguments: argparse.Namespace, settings: Settings) -> int:
    """List the rows in quarantine, show where those of a file are, or print them.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
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
