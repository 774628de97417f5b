"""The log: JSON lines, or text on a terminal. All of it is redacted."""

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
from ingestion.printable import printable, printable_json
from ingestion.redaction import HIDDEN, hide, redact

Status = Literal["started", "progress", "success", "failure", "skipped"]

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

__all__ = ["bound", "configure", "console", "describe", "event", "hide", "logger", "redact", "traceback_of"]

logger = logging.getLogger("ingestion")

# of the process and not of the thread, because dbt logs from its own threads
_context: dict[str, Any] = {}
_console: Console | None = None

# their messages cannot quote data
_SAFE_ERRORS = (
    PipelineError,
    Interrupted,
    AttributeError,
    ImportError,
    NameError,
    NotImplementedError,
    RecursionError,
    TypeError,
)
_IS_CAUSE = "The above exception was the direct cause of the following exception:"
_IS_CONTEXT = "During handling of the above exception, another exception occurred:"
_ENDS = {"success", "failure"}
_STYLES = {"success": "green", "failure": "bold red", "skipped": "yellow"}


def describe(exc: BaseException) -> str:
    """Return one redacted line about an error: its type, and its message if that cannot quote data.

    Arguments:
        exc: any error.

    """
    message = str(exc) if isinstance(exc, _SAFE_ERRORS) else exc.strerror if isinstance(exc, OSError) else None
    if message is None and exc.args:
        message = HIDDEN
    return f"{type(exc).__name__}: {printable(' '.join(redact(message).split()))}" if message else type(exc).__name__


def traceback_of(exc: BaseException) -> str:
    """Return the redacted traceback of an error and of its causes, without messages that may quote data.

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
    """Add fields to each line that the block logs.

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
        message: the text.
        level: a level of the logging module.
        status: the status of the step, if the line reports one.
        fields: further fields, in addition to those of `bound`.

    """
    extra = {**_context, **({"status": status} if status else {}), **fields}
    logger.log(level, message, extra={"fields": extra})


def configure(log_format: Literal["auto", "json", "text"], stream: IO[str] | None = None) -> None:
    """Send the log to a stream.

    Arguments:
        log_format: the format; `auto` means `text` on a terminal and `json` elsewhere.
        stream: the stream; standard output by default.

    """
    global _console  # noqa: PLW0603  (the process has one log)
    stream = stream or sys.stdout
    is_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    handler: logging.Handler
    if is_text:
        _console = Console(file=stream, soft_wrap=True, highlight=False)
        handler = _TextHandler(_console)
    else:
        _console = None
        handler = logging.StreamHandler(stream)
        handler.setFormatter(_JsonFormatter())
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def log_first_warning(library: str, about: str) -> Callable[[str], None]:
    """Redirect a library's log to this one, which shows its first warning only.

    Arguments:
        library: the name of the library's logger.
        about: the text before the warning.

    Returns:
        A function that logs a warning of the caller, unless one was logged before.

    """
    handler = _FirstWarning(about)
    library_logger = logging.getLogger(library)
    library_logger.handlers[:] = [handler]
    library_logger.propagate = False
    return handler.warn


class _FirstWarning(logging.Handler):
    def __init__(self, about: str) -> None:
        super().__init__(WARNING)
        self._about = about
        self._has_warned = False

    def emit(self, record: logging.LogRecord) -> None:
        self.warn(f"{self._about}: {record.getMessage()}")

    def warn(self, message: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            event(message, level=WARNING)


def console() -> Console | None:
    """Return the terminal that the log is written to, or None if it is JSON."""
    return _console


class _JsonFormatter(JsonFormatter):
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
        # redacted before encoding, because JSON escapes hide quotes and line ends from the patterns
        log_data.update({name: _redacted(value) for name, value in log_data.items()})

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        return printable_json(super().jsonify_log_record(log_data))


def _redacted(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {name: _redacted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner) for inner in value]
    return redact(str(value))


class _TextHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "fields", {})
        status: str | None = fields.get("status")
        if fields.get("step") == "run" and status in _ENDS:
            return  # the summary says this, and more
        step = fields.get("step", "")
        text = Text.assemble((f"{datetime.fromtimestamp(record.created).astimezone():%H:%M:%S} ", "dim"), f"{step:<10}")
        # the summary shows the error
        message = "failed" if status == "failure" else redact(record.getMessage()).removeprefix(f"{step} ")
        # a file's name may contain anything
        message = printable(message)
        text.append(message, style=_STYLES.get(status or "", _level_style(record.levelno)))
        if fields.get("duration_ms") and status != "started":
            text.append(f"  {fields['duration_ms'] / 1000:.2f} s", style="dim")
        self._console.print(text, soft_wrap=True)
        if record.exc_info and record.exc_info[1]:
            self._console.print(printable(traceback_of(record.exc_info[1]), keep="\n"), markup=False)


def _level_style(level: int) -> str:
    return "red" if level >= logging.ERROR else "yellow" if level >= logging.WARNING else ""
