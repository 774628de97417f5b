"""JSON lines for machines, readable lines for a terminal, and the one path on which text is redacted."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any, Literal
from urllib.parse import quote, quote_plus

from pythonjsonlogger.json import JsonFormatter
from rich.console import Console
from rich.text import Text

Status = Literal["started", "progress", "success", "failure", "skipped"]

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

logger = logging.getLogger("ingestion")

# the process's, not the thread's: dbt reports from threads of its own
_context: dict[str, Any] = {}
_secrets: tuple[str, ...] = ()
_console: Console | None = None

_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):\S+@")
_DSN_PASSWORD = re.compile(r"(?i)(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)")
# PostgreSQL quotes values of the data behind these words
_VALUE = re.compile(
    r'(?i)((?:invalid input syntax for [\w ]+|out of range[\w ]*|value[\w ]*):|\bvalue) ?"(?:.*"|[^"]*")'
)
# a value may hold line ends: what follows is hidden up to something that cannot be a part of it
_ROW = re.compile(
    r"(?ims)^([ \t]*)(DETAIL|CONTEXT|STATEMENT|QUERY|LINE \d+):.*?"
    r"(?=^[ \t]*(?:DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LINE \d+|compiled code at|The above exception|During handling)"
    r"\b|\Z)"
)
_ENDS = {"success", "failure"}
_LONG = 6
_STYLES = {"success": "green", "failure": "bold red", "skipped": "yellow"}


def redact(text: str) -> str:
    """Return the text without secrets, and without what PostgreSQL quotes of the data.

    Arguments:
        text: anything that is about to be shown, stored or sent.

    """
    for secret in _secrets:
        # a password of a few letters is part of many words, and they are none of its business
        text = text.replace(secret, "***") if len(secret) >= _LONG else re.sub(rf"\b{re.escape(secret)}\b", "***", text)
    text = _URL_PASSWORD.sub(r"\1:***@", text)
    text = _DSN_PASSWORD.sub(r"\1***", text)
    text = _ROW.sub(r"\1\2: ***\n", text)
    return _VALUE.sub(r'\1 "***"', text)


def hide(secrets: Iterable[str | None]) -> None:
    """Register secrets that `redact` takes out, as they are, URL-encoded and inside JSON.

    Arguments:
        secrets: the values; None and empty ones are passed over.

    """
    global _secrets  # noqa: PLW0603  (one process, one set of secrets)
    forms = {
        form
        for secret in secrets
        if secret
        for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
    }
    _secrets = tuple(sorted({*_secrets, *forms}, key=len, reverse=True))


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Add fields to every line logged inside the block.

    Arguments:
        fields: names and values, such as run_id and step.

    """
    global _context  # noqa: PLW0603
    before = _context
    _context = {**before, **fields}
    try:
        yield
    finally:
        _context = before


def event(message: str, *, level: int = logging.INFO, status: Status | None = None, **fields: Any) -> None:
    """Log one line.

    Arguments:
        message: for a person.
        level: as in the logging module.
        status: what became of the step, where the line says so.
        fields: for a machine, beside what `bound` added.

    """
    extra = {**_context, **({"status": status} if status else {}), **fields}
    logger.log(level, message, extra={"fields": extra})


def configure(log_format: Literal["auto", "json", "text"], stream: IO[str] | None = None) -> None:
    """Send the log to a stream, in the form that suits its reader.

    Arguments:
        log_format: `auto` is `text` on a terminal and `json` elsewhere.
        stream: standard output unless given.

    """
    global _console  # noqa: PLW0603  (the log is the process's)
    stream = stream or sys.stdout
    for_person = log_format == "text" or (log_format == "auto" and stream.isatty())
    handler: logging.Handler
    if for_person:
        _console = Console(file=stream, soft_wrap=True, highlight=False)
        handler = _PersonHandler(_console)
    else:
        _console = None
        handler = logging.StreamHandler(stream)
        handler.setFormatter(_MachineFormatter())
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def hear_once(library: str, about: str) -> Callable[[str], None]:
    """Take over a library's log: its first warning is said in ours, and the others are not.

    Arguments:
        library: the name of its logger.
        about: what a warning of it means to us.

    Returns:
        Says a message of our own, unless one was said already.

    """
    ear = _Ear(about)
    theirs = logging.getLogger(library)
    theirs.handlers[:] = [ear]
    theirs.propagate = False
    return ear.say


class _Ear(logging.Handler):
    def __init__(self, about: str) -> None:
        super().__init__(WARNING)
        self._about = about
        self._has_spoken = False

    def emit(self, record: logging.LogRecord) -> None:
        self.say(f"{self._about}: {record.getMessage()}")

    def say(self, message: str) -> None:
        if not self._has_spoken:
            self._has_spoken = True
            event(message, level=WARNING)


def console() -> Console | None:
    """Return the terminal that the log goes to, or None where it goes to a machine."""
    return _console


class _MachineFormatter(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(json_ensure_ascii=False)

    # the signature is the library's
    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:  # noqa: ARG002
        log_data["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname.lower()
        log_data["message"] = record.getMessage()
        log_data.update(getattr(record, "fields", {}))
        if record.exc_info:
            log_data["traceback"] = self.formatException(record.exc_info)
        # before they become JSON: its escapes hide quotes and line ends from the patterns
        log_data.update({name: _redacted(value) for name, value in log_data.items()})


def _redacted(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {name: _redacted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner) for inner in value]
    return redact(str(value))


class _PersonHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "fields", {})
        status: str | None = fields.get("status")
        if fields.get("step") == "run" and status in _ENDS:
            return  # whoever called the run says it, and more
        step = fields.get("step", "")
        text = Text.assemble((f"{datetime.fromtimestamp(record.created).astimezone():%H:%M:%S} ", "dim"), f"{step:<10}")
        # what went wrong is said once, at the end, by whoever called the run
        message = "failed" if status == "failure" else redact(record.getMessage()).removeprefix(f"{step} ")
        text.append(message, style=_STYLES.get(status or "", _level_style(record.levelno)))
        if fields.get("duration_ms") and status != "started":
            text.append(f"  {fields['duration_ms'] / 1000:.2f} s", style="dim")
        self._console.print(text, soft_wrap=True)
        if record.exc_info:
            self._console.print(redact(logging.Formatter().formatException(record.exc_info)), markup=False)


def _level_style(level: int) -> str:
    return "red" if level >= logging.ERROR else "yellow" if level >= logging.WARNING else ""
