"""What is wrong at present and which channels were notified, so that each reports it once: the table ops.alerts."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg2.extras import Json

from ingestion import db
from ingestion.config import Settings

_NEVER = "1970-01-01T00:00:00+00:00"
_queries = db.queries("alerts")

# names of channels, and when each was notified last
Notified = dict[str, str]


@dataclass
class Incident:
    """Something that is wrong: a row of ops.alerts, with its column names.

    Arguments:
        topic: what it is about.
        cause: what distinguishes it from other incidents of that topic.
        opened_at: when it was first seen.
        last_seen_at: when it was last seen.
        times: how many runs have seen it.
        summary: one redacted line.
        run_id: the last run that has seen it.
        told: the channels that were notified, and when last.
        closed_at: when it ended.
        end_told: the channels that were notified of its end.
        alert_id: its key in the database.

    """

    topic: str
    cause: str
    opened_at: datetime
    last_seen_at: datetime
    times: int
    summary: str
    run_id: str | None = None
    told: Notified = field(default_factory=dict)
    closed_at: datetime | None = None
    end_told: Notified = field(default_factory=dict)
    alert_id: int | None = None


@dataclass(frozen=True)
class Rules:
    """Which channels to notify, and how often.

    Arguments:
        channels: the names of the channels that receive alerts.
        remind_after: notify a channel again after this time.

    """

    channels: tuple[str, ...]
    remind_after: timedelta


@dataclass(frozen=True)
class Notification:
    """The channels to notify of a topic now.

    Arguments:
        topic: what it is about.
        since: when it began.
        times: how many runs have seen it.
        channels: their names. They count as notified from now on.
        summary: what is or was wrong.
        before: the channels notified earlier, by the cause and the opening of each incident; restored for a channel
            that fails.

    """

    topic: str
    since: datetime
    times: int
    channels: tuple[str, ...]
    summary: str
    before: dict[tuple[str, datetime], Notified] = field(default_factory=dict)


class Incidents:
    """All open incidents, and those closed recently.

    Arguments:
        incidents: the rows of ops.alerts.
        rules: which channels to notify, and how often.

    """

    def __init__(self, incidents: list[Incident], rules: Rules) -> None:
        self.incidents = incidents
        self._rules = rules
        self._now = datetime.now(UTC)

    def report(
        self, topic: str, causes: Iterable[str], summary: str, *, run_id: str | None, seen_at: datetime | None = None
    ) -> Notification:
        """Record that a run has seen something wrong.

        Arguments:
            topic: what it is about.
            causes: each becomes an incident; a channel is notified if one of them is new to it.
            summary: one redacted line.
            run_id: the run.
            seen_at: when; None for now.

        """
        known = {incident.cause: incident for incident in self._open(topic)}
        seen: list[Incident] = []
        for cause in causes:
            incident = known.get(cause)
            if incident is None:
                incident = Incident(topic, cause, self._now, self._now, 0, summary)
                self.incidents.append(incident)
            incident.last_seen_at, incident.summary, incident.run_id = seen_at or self._now, summary, run_id
            incident.times += 1
            seen.append(incident)
        long_ago = self._now - self._rules.remind_after
        channels = tuple(
            name
            for name in self._rules.channels
            if any(datetime.fromisoformat(incident.told.get(name, _NEVER)) <= long_ago for incident in seen)
        )
        before = {(incident.cause, incident.opened_at): dict(incident.told) for incident in seen}
        for incident in seen:
            incident.told.update(dict.fromkeys(channels, self._now.isoformat()))
        everything = self._open(topic)
        since = min((incident.opened_at for incident in everything), default=self._now)
        times = max((incident.times for incident in everything), default=0)
        return Notification(topic, since, times, channels, summary, before)

    def is_open(self, topic: str) -> bool:
        """Whether a topic has an open incident.

        Arguments:
            topic: what it is about.

        """
        return bool(self._open(topic))

    def close(self, topic: str, started_at: datetime) -> Notification | None:
        """Record that a topic is well again.

        Arguments:
            topic: what it is about.
            started_at: the start of the run that found it well. It does not close what another run has seen since.

        Returns:
            The channels to notify: those that were notified of the incident. None if there are none.

        """
        for incident in self._open(topic):
            if incident.last_seen_at <= started_at:
                incident.closed_at = self._now
        if self.is_open(topic):
            return None
        closed = [
            incident
            for incident in self.incidents
            if incident.topic == topic and incident.closed_at and set(incident.told) - set(incident.end_told)
        ]
        channels = tuple(
            name
            for name in self._rules.channels
            if any(name in incident.told and name not in incident.end_told for incident in closed)
        )
        if not channels:
            return None
        before = {(incident.cause, incident.opened_at): dict(incident.end_told) for incident in closed}
        for incident in closed:
            incident.end_told.update({name: self._now.isoformat() for name in channels if name in incident.told})
        since = min(incident.opened_at for incident in closed)
        times = max(incident.times for incident in closed)
        return Notification(topic, since, times, channels, closed[-1].summary, before)

    def undo(self, notification: Notification, channel: str, *, is_over: bool) -> None:
        """Record that a channel was not notified after all, so that a later run tries again.

        Arguments:
            notification: what the channel could not send.
            channel: its name.
            is_over: whether it was the notification of an end.

        """
        for incident in self.incidents:
            before = notification.before.get((incident.cause, incident.opened_at))
            if incident.topic != notification.topic or before is None:
                continue
            notified = incident.end_told if is_over else incident.told
            notified.pop(channel, None)
            if channel in before:
                notified[channel] = before[channel]

    def _open(self, topic: str) -> list[Incident]:
        return [incident for incident in self.incidents if incident.topic == topic and incident.closed_at is None]


@contextmanager
def updated(engine: db.Engine, role: str | None, rules: Rules) -> Iterator[Incidents]:
    """Lock ops.alerts, yield the incidents, and write what the block has changed.

    Arguments:
        engine: the database.
        role: the role that writes the records of runs.
        rules: which channels to notify, and how often.

    """
    with db.transaction(engine, role=role) as connection:
        _queries.set_limits(connection)
        _queries.lock(connection, name=db.lock_name("alerts"))
        incidents = Incidents([_incident(row) for row in _queries.current_alerts(connection)], rules)
        before = {incident.alert_id: asdict(incident) for incident in incidents.incidents}
        yield incidents
        for incident in incidents.incidents:
            fields = asdict(incident)
            if before.get(incident.alert_id) == fields:
                continue
            values = {**fields, "told": Json(incident.told), "end_told": Json(incident.end_told)}
            if incident.alert_id is None:
                del values["alert_id"]
                _queries.insert_alert(connection, **values)
            else:
                for fixed in ("topic", "cause", "opened_at"):
                    del values[fixed]
                _queries.update_alert(connection, **values)


def open_incidents(settings: Settings) -> list[Incident]:
    """Return what is wrong at present.

    Arguments:
        settings: the database.

    """
    with db.session(db.create_engine(settings)) as connection:
        found = [_incident(row) for row in _queries.current_alerts(connection)]
    return [incident for incident in found if incident.closed_at is None]


def _incident(row: Any) -> Incident:
    return Incident(**row._asdict())
