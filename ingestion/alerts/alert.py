"""What is told: an alert as a person reads it, and as a machine does."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ingestion import log

Kind = Literal["failure", "died", "recovery", "stale", "quarantine", "test"]

_LONGEST = 700
# a drop's path may name the person
_USER_ID = re.compile(r"(?i)(user_id=)\d+")


@dataclass(frozen=True)
class Alert:
    """One message.

    Arguments:
        kind: the occasion.
        pipeline: which pipeline.
        topic: what it is about; all that is told of one thing has the same, its end too.
        title: one line.
        summary: what is wrong, one line.
        hint: what to do.
        facts: names and values, for a person.
        more: a command that shows more.
        link: a page that shows more.
        is_over: it is the end of what was told before.
        since: when it began.
        data: for a machine.

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
        """What the topic has in common with others of it, without its words."""
        return hashlib.sha256(f"{self.pipeline}\0{self.topic}".encode()).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The whole of it but the title, in plain lines."""
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
        """The whole of it, for a machine."""
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
    """Return one line that may leave the house: no secret, no data, no user id.

    Arguments:
        text: anything.

    """
    line = _USER_ID.sub(r"\1***", " ".join(log.redact(text).split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


def moment(when: datetime) -> str:
    """Return a time as people read it, in UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M UTC}"
