"""`digest`: print the weekly digest, send it now, or send a test."""

import argparse
import sys

from ingestion.config import Settings
from ingestion.digest import preview, send_now, send_test
from ingestion.printable import printable


def handle(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print or send the digest, and return the exit code.

    Arguments:
        arguments: its arguments.
        settings: the settings, with a database.

    Raises:
        ConfigurationError: nobody is to get the digest.
        PipelineError: the marts have no follow-up list.

    """
    if arguments.dry_run:
        text = preview(settings)
        sys.stdout.write(printable(text, keep="\n") if sys.stdout.isatty() else text)
        return 0
    return _show(send_now(settings))


def test(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    """Send a test, and return the exit code.

    Arguments:
        arguments: its arguments.
        settings: the channels; no database is needed.

    Raises:
        ConfigurationError: nobody is to get the digest.

    """
    return _show(send_test(settings))


def _show(outcomes: list[tuple[str, str | None]]) -> int:
    for name, error in outcomes:
        print(f"{name:<20}  {f'failed: {error}' if error else 'ok'}")
    return 1 if any(error for _, error in outcomes) else 0
