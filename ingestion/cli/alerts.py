"""`alert`: test the channels, or list open alerts."""

import argparse

from ingestion import db
from ingestion.alerts import open_incidents, send_test
from ingestion.cli import summary
from ingestion.cli.output import console
from ingestion.config import Settings
from ingestion.errors import ConfigurationError


def test(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    """Send a test to each channel, and return the exit code.

    Arguments:
        arguments: its arguments.
        settings: the settings; no database is needed.

    """
    if not settings.alerts.is_on:
        raise ConfigurationError(
            "no alert channel is configured", hint="See docs/alerts.md for an example of each channel."
        )
    outcomes = send_test(settings)
    for name, error in outcomes:
        print(f"{name:<20}  {f'failed: {error}' if error else 'ok'}")
    return 1 if any(error for _, error in outcomes) else 0


def show(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    """List the open alerts.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    """
    db.wait_until_ready(db.create_engine(settings), settings.db_wait_seconds)
    console().print(summary.show_alerts(open_incidents(settings)))
    return 0
