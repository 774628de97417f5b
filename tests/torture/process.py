"""Commands of the pipeline, run as a user runs them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_FOREIGN = ("PG", "PIPELINE_", "DB_", "DBT_", "OTEL_", "OPENLINEAGE", "DATABASE_URL", "AWS_", "AZURE_", "TEST_")
HUNG_SECONDS = 120.0


@dataclass
class Signal:
    """A signal that was sent.

    Arguments:
        number: its number.
        sent_at: when, on the monotonic clock.

    """

    number: int
    sent_at: float


@dataclass
class Command:
    """A command that runs or has run. Its log is read as it is written.

    Arguments:
        arguments: those after `python -m ingestion`.
        process: its process.
        zone_version: how often the landing zone had changed when it began.
        lines: its log lines so far.
        output: what else it has printed.
        errors: what it has written to stderr, once it has ended.
        signals: the signals that it was sent.
        started_at: when it began, on the monotonic clock.
        ended_at: when it ended, on the monotonic clock.
        hung: whether the laboratory had to kill it, because it did not end.

    """

    arguments: tuple[str, ...]
    process: subprocess.Popen[str]
    zone_version: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    output: str = ""
    signals: list[Signal] = field(default_factory=list)
    started_at: float = field(default_factory=time.monotonic)
    ended_at: float = 0.0
    hung: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _readers: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        for read in (self._read_output, self._read_errors):
            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            self._readers.append(reader)

    @property
    def name(self) -> str:
        return " ".join(self.arguments)

    @property
    def exit_code(self) -> int | None:
        """The exit code; negative after a signal that was not handled; None while it runs."""
        return self.process.poll()

    @property
    def run_id(self) -> str | None:
        """The run that it records."""
        return next((line["run_id"] for line in self.lines if line.get("run_id")), None)

    def has_logged(self, step: str, status: str) -> bool:
        return any(line.get("step") == step and line.get("status") == status for line in self.lines)

    def await_log(self, step: str, status: str, seconds: float = 60.0) -> bool:
        """Wait for the log line of a step. Return False where the command has ended without it."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self.has_logged(step, status):
                self._changed.wait(0.05)
                if self.exit_code is not None or time.monotonic() > deadline:
                    return self.has_logged(step, status)
        return True

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds or the command has ended, but not for ever."""
        deadline = time.monotonic() + HUNG_SECONDS
        while self.exit_code is None and not condition() and time.monotonic() < deadline:
            time.sleep(0.01)

    def send(self, number: int) -> bool:
        """Send it a signal. Return False where it has ended."""
        if self.exit_code is not None:
            return False
        self.signals.append(Signal(number, time.monotonic()))
        self.process.send_signal(number)
        return True

    def wait(self, seconds: float = HUNG_SECONDS) -> int:
        """Wait for its end, and kill it where it does not end.

        Returns:
            The exit code.

        """
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.hung = True
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        for reader in self._readers:
            reader.join(5)
        return self.process.returncode

    def _read_output(self) -> None:
        """Read the log and what is printed between its lines."""
        assert self.process.stdout
        for text in self.process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            with self._changed:
                if isinstance(line, dict):
                    self.lines.append(line)
                    self._changed.notify_all()
                else:
                    self.output += text
        self.ended_at = time.monotonic()

    def _read_errors(self) -> None:
        assert self.process.stderr
        self.errors = self.process.stderr.read().splitlines()


def environment(port: int, database: str, landing_zone: Path, folder: Path, temporary: Path) -> dict[str, str]:
    """Return the environment of a command: nothing of the user's own settings, and everything in one folder.

    Arguments:
        port: the proxy's.
        database: the name of the database.
        landing_zone: the directory to load.
        folder: where reports and dbt's output go.
        temporary: the folder for temporary files.

    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return kept | {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": "postgres",
        "PGDATABASE": database,
        "PGSSLMODE": "disable",
        "PGGSSENCMODE": "disable",
        "PIPELINE_DATA_DIR": str(landing_zone),
        "PIPELINE_USE_MANIFEST": "1",
        "PIPELINE_LOG_FORMAT": "json",
        "PIPELINE_ERASURE_KEY": "a key of the laboratory",
        "PIPELINE_DB_WAIT_SECONDS": "10",
        "PIPELINE_LOCK_WAIT_SECONDS": "60",
        "PIPELINE_REPORT_DIR": str(folder / "reports"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "TMPDIR": str(temporary),
    }


def start(arguments: tuple[str, ...], variables: dict[str, str], group: int) -> Command:
    """Start a command.

    Arguments:
        arguments: those after `python -m ingestion`.
        variables: its environment.
        group: its process group.

    """
    process = subprocess.Popen(
        [sys.executable, "-m", "ingestion", *arguments],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=group,
    )
    return Command(arguments, process)
