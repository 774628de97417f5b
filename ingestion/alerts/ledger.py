"""What is wrong at present and who was told, so that a thing is told once: in ops.alerts, or meanwhile in a file."""

import fcntl
import json
import os
import tempfile
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg2.extras import Json
from sqlalchemy import Engine

from ingestion import db
from ingestion.alerts.incident import Incident, Told
from ingestion.config import Settings

_NEVER = "1970-01-01T00:00:00+00:00"
_queries = db.queries("alerts")


@dataclass(frozen=True)
class Rules:
    """Who is told, and how often.

    Arguments:
        channels: names of those that get alerts.
        remind_after: what was told longer ago than this is told again.

    """

    channels: tuple[str, ...]
    remind_after: timedelta


@dataclass(frozen=True)
class Standing:
    """How a topic stands, and which channels are to be told now.

    Arguments:
        topic: which.
        since: when it began.
        times: how many runs have seen it.
        due: names of the channels; they count as told from here on.
        summary: what was wrong.
        before: what to put back where a channel fails: incident's cause and opening, when it was told before.

    """

    topic: str
    since: datetime
    times: int
    due: tuple[str, ...]
    summary: str
    before: dict[tuple[str, datetime], Told]


class Book:
    """All that is wrong, and what has ended lately.

    Arguments:
        incidents: as they were kept.
        rules: who is told, and how often.

    """

    def __init__(self, incidents: list[Incident], rules: Rules) -> None:
        self.incidents = incidents
        self._rules = rules
        self._now = datetime.now(UTC)

    def report(
        self, topic: str, causes: Iterable[str], summary: str, *, run_id: str | None, seen_at: datetime | None = None
    ) -> Standing:
        """Write down that a run has seen something wrong.

        Arguments:
            topic: what it is about.
            causes: what tells it from others; a channel is told as soon as one of them is new to it.
            summary: one redacted line.
            run_id: the run.
            seen_at: when; now unless given.

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
        old = self._now - self._rules.remind_after
        due = tuple(
            name
            for name in self._rules.channels
            if any(datetime.fromisoformat(incident.told.get(name, _NEVER)) <= old for incident in seen)
        )
        before = {(incident.cause, incident.opened_at): dict(incident.told) for incident in seen}
        for incident in seen:
            incident.told.update(dict.fromkeys(due, self._now.isoformat()))
        everything = self._open(topic)
        since = min((incident.opened_at for incident in everything), default=self._now)
        times = max((incident.times for incident in everything), default=0)
        return Standing(topic, since, times, due, summary, before)

    def is_open(self, topic: str) -> bool:
        """Tell whether something of a topic is wrong.

        Arguments:
            topic: which.

        """
        return bool(self._open(topic))

    def end(self, topic: str, begun_at: datetime) -> Standing | None:
        """Write down that all is well again with a topic.

        Arguments:
            topic: which.
            begun_at: when the run began that says so; of what was seen since then by another run it knows nothing.

        Returns:
            Whom to tell of it: those who were told of what was wrong; None where that is nobody.

        """
        for incident in self._open(topic):
            if incident.last_seen_at <= begun_at:
                incident.closed_at = self._now
        if self.is_open(topic):
            return None
        ended = [
            incident
            for incident in self.incidents
            if incident.topic == topic and incident.closed_at and set(incident.told) - set(incident.end_told)
        ]
        due = tuple(
            name
            for name in self._rules.channels
            if any(name in incident.told and name not in incident.end_told for incident in ended)
        )
        if not due:
            return None
        before = {(incident.cause, incident.opened_at): dict(incident.end_told) for incident in ended}
        for incident in ended:
            incident.end_told.update({name: self._now.isoformat() for name in due if name in incident.told})
        since = min(incident.opened_at for incident in ended)
        return Standing(topic, since, max(incident.times for incident in ended), due, ended[-1].summary, before)

    def take_back(self, standing: Standing, channel: str, *, is_over: bool) -> None:
        """Write down that a channel was not told after all; a later run tries again.

        Arguments:
            standing: of which it was to be told.
            channel: its name.
            is_over: whether it was to be told of the end.

        """
        for incident in self.incidents:
            before = standing.before.get((incident.cause, incident.opened_at))
            if incident.topic != standing.topic or before is None:
                continue
            told = incident.end_told if is_over else incident.told
            told.pop(channel, None)
            if channel in before:
                told[channel] = before[channel]

    def take_over(self, others: Iterable[Incident]) -> None:
        """Add what was kept elsewhere.

        Arguments:
            others: they are not changed any more.

        """
        for other in others:
            known = next((each for each in self._open(other.topic) if each.cause == other.cause), None)
            if known is None or other.closed_at:
                self.incidents.append(other)
                continue
            known.opened_at = min(known.opened_at, other.opened_at)
            known.last_seen_at = max(known.last_seen_at, other.last_seen_at)
            known.times += other.times
            for name, when in other.told.items():
                known.told[name] = max(when, known.told.get(name, when))

    def _open(self, topic: str) -> list[Incident]:
        return [incident for incident in self.incidents if incident.topic == topic and incident.closed_at is None]


class Ledger:
    """Where incidents are kept between runs."""

    @abstractmethod
    @contextmanager
    def book(self, rules: Rules) -> Iterator[Book]:
        """Open the book for one writer; what the block has changed is kept when it ends."""
        raise NotImplementedError


class NoLedger(Ledger):
    """Nothing is kept: better told again than not at all."""

    @contextmanager
    def book(self, rules: Rules) -> Iterator[Book]:
        yield Book([], rules)


class FileLedger(Ledger):
    """A file, for the time without a database.

    Arguments:
        path: made where it is missing.

    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def book(self, rules: Rules) -> Iterator[Book]:
        with self._locked():
            book = Book(self._read(), rules)
            yield book
            self._write(book.incidents)

    @contextmanager
    def emptied(self) -> Iterator[list[Incident]]:
        """Yield what there is, and forget it once the block has ended well."""
        if not self._path.exists():
            yield []
            return
        with self._locked():
            yield self._read()
            self._path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> list[Incident]:
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            return [Incident(**{name: _moments(name, value) for name, value in row.items()}) for row in rows]
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return []

    def _write(self, incidents: list[Incident]) -> None:
        part = self._path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps([asdict(incident) for incident in incidents], default=str), encoding="utf-8")
        part.replace(self._path)


class DatabaseLedger(Ledger):
    """ops.alerts; what a file has kept meanwhile is taken over.

    Arguments:
        engine: the database.
        role: that writes records.
        meanwhile: the file.

    """

    def __init__(self, engine: Engine, role: str | None, meanwhile: FileLedger) -> None:
        self._engine = engine
        self._role = role
        self._meanwhile = meanwhile

    @contextmanager
    def book(self, rules: Rules) -> Iterator[Book]:
        with self._meanwhile.emptied() as kept, db.transaction(self._engine, role=self._role) as connection:
            _queries.set_limits(connection)
            _queries.lock(connection, name=db.lock_name("alerts"))
            book = Book([_incident(row) for row in _queries.current_alerts(connection)], rules)
            before = {incident.alert_id: asdict(incident) for incident in book.incidents}
            book.take_over(kept)
            yield book
            for incident in book.incidents:
                fields = asdict(incident)
                if before.get(incident.alert_id) == fields:
                    continue
                values = {**fields, "told": Json(incident.told), "end_told": Json(incident.end_told)}
                alert_id = values.pop("alert_id")
                if alert_id is None:
                    _queries.insert_alert(connection, **values)
                else:
                    for fixed in ("topic", "cause", "opened_at"):
                        del values[fixed]
                    _queries.update_alert(connection, alert_id=alert_id, **values)


def open_incidents(settings: Settings) -> list[Incident]:
    """Return what is wrong at present.

    Arguments:
        settings: with a database.

    """
    with db.session(db.create_engine(settings)) as connection:
        found = [_incident(row) for row in _queries.current_alerts(connection)]
    return [incident for incident in found if incident.closed_at is None]


def state_file(settings: Settings) -> Path:
    """Return the file that serves while the database is away.

    Arguments:
        settings: may name it.

    """
    return settings.alerts.state_file or Path(tempfile.gettempdir(), f"wearables-pipeline-{os.getuid()}", "alerts.json")


def _incident(row: tuple[Any, ...]) -> Incident:
    names = ("alert_id", "topic", "cause", "opened_at", "last_seen_at", "times", "summary", "run_id", "told")
    return Incident(**dict(zip((*names, "closed_at", "end_told"), row, strict=True)))


def _moments(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name.endswith("_at") and value else value
