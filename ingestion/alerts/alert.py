"""One alert, as text for people and as JSON for machines."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ingestion import log
from ingestion.printable import printable
from ingestion.sources import path_without_person, without_user_id

Kind = Literal["failure", "died", "recovery", "stale", "volume", "quarantine", "misplaced", "test"]

_MAX_LINE = 700


@dataclass(frozen=True)
class Alert:
    """One message.

    Arguments:
        kind: what happened.
        pipeline: the name of the pipeline.
        topic: what the alert is about. All alerts about one thing have the same topic, including that of its end.
        title: one line.
        summary: what is wrong, in one line.
        hint: what to do.
        facts: names and values, for people.
        more: a command that shows more.
        link: a page that shows more.
        is_over: whether the alert reports the end of something.
        since: when it began.
        data: additional fields of the JSON.

    """

    kind: Kind
    pipeline: str
    topic: str
    title: str
    summary: str = ""
    hint: str | None = None
    facts: tuple[tuple[str, str], ...] = ()
    more: str | None = None
    link: str | None = None
    is_over: bool = False
    since: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def thread(self) -> str:
        """A hash that all alerts of this topic share, without the words of the topic."""
        return hashlib.sha256(f"{self.pipeline}\0{self.topic}".encode()).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The alert without its title, as plain lines."""
        width = max((len(name) for name, _ in self.facts), default=0)
        parts = [
            self.summary,
            f"What to do: {self.hint}" if self.hint else "",
            "\n".join(f"{name:<{width}}  {value}" for name, value in self.facts),
            f"More: {self.more}" if self.more else "",
            self.link or "",
        ]
        return "\n\n".join(part for part in parts if part)

    @property
    def json(self) -> dict[str, Any]:
        """The alert for machines."""
        return {
            "kind": self.kind,
            "pipeline": self.pipeline,
            "topic": self.topic,
            "is_over": self.is_over,
            "title": self.title,
            "summary": self.summary,
            "hint": self.hint,
            "since": self.since.isoformat(timespec="seconds") if self.since else None,
            "more": self.more,
            "link": self.link,
            **self.data,
        }


def safe(text: str) -> str:
    """Return a text as one line without secrets, data and user ids.

    Arguments:
        text: any text.

    """
    line = printable(without_user_id(" ".join(log.redact(text).split())))
    return line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]} ..."


def safe_path(path: str) -> str:
    """Return a path as one line without the participant whom it names.

    Arguments:
        path: a file's name in the landing zone.

    """
    return safe(path_without_person(path))


def utc(when: datetime) -> str:
    """Return a time in UTC, for people.

    Arguments:
        when: the time, with its zone.

    """
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M UTC}"
