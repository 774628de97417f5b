"""Limits alerts to one an hour while ops.alerts is unavailable, by the modification time of a small file."""

import os
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingestion.config import Settings

_SECONDS = 3600


@dataclass(frozen=True)
class Outage:
    """A failure that was reported while ops.alerts was unavailable.

    Arguments:
        topic: the topic of the alert.
        since: when it was reported first.
        summary: one redacted line.

    """

    topic: str
    since: datetime
    summary: str


class OutageFile:
    """A file that exists from the first alert of an outage to the next success of the command that failed.

    Arguments:
        settings: may name the file.

    """

    def __init__(self, settings: Settings) -> None:
        folder = Path(tempfile.gettempdir(), f"wearables-pipeline-{os.getuid()}")
        self._path = settings.alerts.state_file or folder / "alerts"

    def allows(self, topic: str, summary: str) -> bool:
        """Whether the last alert is more than an hour old. If so, record a new one.

        Arguments:
            topic: the topic of the new alert.
            summary: its summary.

        """
        known = self._read()
        if known and time.time() - self._path.stat().st_mtime < _SECONDS:
            return False
        since = known.since if known and known.topic == topic else datetime.now(UTC)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.write_text(f"{topic}\n{since.isoformat()}\n{summary}\n", encoding="utf-8")
        except OSError:
            # one alert too many is better than none
            return True
        return True

    def end(self, topics: set[str]) -> Outage | None:
        """Remove the file and return the outage, if it has one of these topics.

        Arguments:
            topics: the topics whose state is known again.

        """
        known = self._read()
        if known is None or known.topic not in topics:
            return None
        self._path.unlink(missing_ok=True)
        return known

    def _read(self) -> Outage | None:
        try:
            topic, since, summary = self._path.read_text(encoding="utf-8").splitlines()
            return Outage(topic, datetime.fromisoformat(since), summary)
        except (OSError, ValueError):
            return None
