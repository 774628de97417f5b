"""What all commands print with."""

import json
import sys
from datetime import UTC, datetime
from typing import Literal

from rich.console import Console

from ingestion import log
from ingestion.printable import printable, printable_json

PLAIN_WIDTH = 160
State = Literal["ok", "warning", "critical", "unknown"]
NAGIOS: dict[State, int] = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


def console() -> Console:
    """Return the terminal, or a wide one where the output goes elsewhere."""
    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def print_json(document: object) -> None:
    """Print a document as JSON."""
    print(to_json(document))


def to_json(document: object) -> str:
    """Return a document as JSON that no terminal acts upon."""
    return printable_json(json.dumps(document, default=_json_default, indent=2, ensure_ascii=False))


def explain(message: str, hint: str | None) -> None:
    """Print an error, and what to do about it."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    errors.print(f"error: {printable(log.redact(message))}", style="bold red", markup=False)
    if hint:
        errors.print(f"  hint: {printable(log.redact(hint))}", markup=False)


def probe_text(state: State, text: str) -> str:
    """Return the first part of the line.

    Arguments:
        state: the state.
        text: the problems; it may contain any character.

    """
    # metrics follow a bar, and a line break ends the text
    return f"{state.upper()} - {printable(' '.join(text.replace('|', '/').split()))}"


def _json_default(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    return str(value)
