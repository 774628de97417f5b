"""What is wrong, as it is kept."""

from dataclasses import dataclass, field
from datetime import datetime

Told = dict[str, str]


@dataclass
class Incident:
    """Something that is wrong, from its first sign to its end.

    Arguments:
        topic: what it is about.
        cause: what tells it from others of that topic.
        opened_at: its first sign.
        last_seen_at: its latest.
        times: how many runs have seen it.
        summary: one redacted line.
        run_id: the latest run that has seen it.
        told: channels that were told, and when last.
        closed_at: its end.
        end_told: channels that were told of that.
        alert_id: in the database.

    """

    topic: str
    cause: str
    opened_at: datetime
    last_seen_at: datetime
    times: int
    summary: str
    run_id: str | None = None
    told: Told = field(default_factory=dict)
    closed_at: datetime | None = None
    end_told: Told = field(default_factory=dict)
    alert_id: int | None = None
