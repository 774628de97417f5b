"""JSON lines for machines, readable lines for a terminal, and the one path on which text is redacted."""

import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any, Literal

from pythonjsonlogger.json import JsonFormatter
from rich.console import Console
from rich.text import Text

from ingestion.errors import Interrupted, PipelineError
from ingestion.redaction import HIDDEN, hide, redact

Status = Literal["started", "progress", "success", "failure", "skipped"]

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

__all__ = ["bound", "configure", "console", "describe", "event", "hide", "logger", "redact", "traceback_of"]

logger = logging.getLogger("ingestion")

# the process's, not the thread's: dbt reports from threads of its own
_context: dict[str, Any] = {}
_console: Console | None = None

# their messages speak of the code, or are ours
_ABOUT_CODE = (
    *(
        PipelineError,
        Interrupted,
        AttributeError,
        ImportError,
        NameError,
        NotImplementedError,
        RecursionError,
        TypeError,
    ),
)
_IS_CAUSE = "The above exception was the direct cause of the following exception:"
_IS_CONTEXT = "During handling of the above exception, another exception occurred:"
_ENDS = {"success", "failure"}
_STYLES = {"success": "green", "failure": "bold red", "skipped": "yellow"}


def describe(exc: BaseException) -> str:
    """Return one redacted line about an error: its type, and its message where that cannot quote the data.

    Arguments:
        exc: any error, foreseen or not.

    """
    message = str(exc) if isinstance(exc, _ABOUT_CODE) else exc.strerror if isinstance(exc, OSError) else None
    if message is None and exc.args:
        message = HIDDEN
    return f"{type(exc).__name__}: {' '.join(redact(message).split())}" if message else type(exc).__name__


def traceback_of(exc: BaseException) -> str:
    """Return the redacted traceback of an error and of those that led to it; what may quote the data is left out.

    Arguments:
        exc: any error.

    """
    parts: list[str] = []
    seen: set[int] = set()
    link = ""
    each: BaseException | None = exc
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        frames = "".join(traceback.format_tb(each.__traceback__))
        parts.insert(0, f"Traceback (most recent call last):\n{frames}{describe(each)}\n{link}")
        is_cause = each.__cause__ is not None
        link = f"\n{_IS_CAUSE if is_cause else _IS_CONTEXT}\n\n"
        each = each.__cause__ if is_cause or each.__suppress_context__ else each.__context__
    return redact("".join(parts))


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
        if record.exc_info and record.exc_info[1]:
            log_data["traceback"] = traceback_of(record.exc_info[1])
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
        if record.exc_info and record.exc_info[1]:
            self._console.print(traceback_of(record.exc_info[1]), markup=False)


def _level_style(level: int) -> str:
    return "red" if level >= logging.ERROR else "yellow" if level >= logging.WARNING else ""
