"""Watches a run, records what it has found, and notifies the channels."""

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial

from ingestion import db, health, log
from ingestion.alerts import incidents, occasions
from ingestion.alerts.alert import safe
from ingestion.alerts.channel import FinishedRun
from ingestion.alerts.channels import channels_of
from ingestion.alerts.incidents import Incidents, Notification, Rules
from ingestion.alerts.occasions import Occasion
from ingestion.alerts.outage import OutageFile
from ingestion.config import AlertSettings, Settings
from ingestion.errors import DatabaseUnavailableError, Interrupted, PipelineError
from ingestion.health import DatasetFreshness
from ingestion.observers import Observer
from ingestion.results import RunResult, Step
from ingestion.sending.outbox import Delivery, Outbox
from ingestion.twins import SharedContent, shared_contents
from ingestion.volume import Volume, read_volumes

# Kubernetes gives a run that it stops 30 seconds, Docker 10
_SECONDS_WHEN_INTERRUPTED = 3.0
_LOG_LINES = 50
_queries = db.queries("alerts")

Notifications = list[tuple[Occasion, Notification]]


@dataclass(frozen=True)
class _Sent:
    """A message to a channel that ops.alerts already counts as notified."""

    notification: Notification
    is_over: bool
    channel: str
    delivery: Delivery


@dataclass(frozen=True)
class _Contents:
    """What is loaded at the end of a run; empty or None where that is unknown."""

    datasets: list[DatasetFreshness] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    shared: list[SharedContent] | None = None


class Alerts(Observer):
    """Sends the alerts of one run.

    Arguments:
        settings: the settings of the run, with at least one channel.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._alerts = settings.alerts
        log.hide(self._alerts.secrets)
        self._channels = channels_of(self._alerts)
        self._outbox = Outbox(self._alerts)
        self._outage = OutageFile(settings)
        self._rules = Rules(
            tuple(channel.name for channel in self._channels if channel.receives_alerts),
            timedelta(hours=self._alerts.remind_after_hours),
        )
        self._sent: list[_Sent] = []
        self._tail = _Tail()
        self._run = RunResult("run")
        self._is_started = False
        self._still_open: set[str] = set()

    def run_started(self, run: RunResult) -> None:
        self._run = run
        log.logger.addHandler(self._tail)

    def step_started(self, step: Step) -> None:  # noqa: ARG002
        # not before: a run that waits for another, or declines, has not started
        if not self._is_started:
            self._is_started = True
            for channel in self._channels:
                self._outbox.add(channel, "the start", partial(channel.run_started, self._run))

    def run_died(self, run_id: str) -> None:
        """Notify at once: this run may die of the same cause."""
        with db.session(self._engine, role=self._settings.loader_role) as connection:
            run = _queries.command_of(connection, run_id=run_id)
        self._notify([occasions.death(run.command or "run", run.started_at)], run_id)

    def run_ended(self, run: RunResult) -> None:
        log.logger.removeHandler(self._tail)
        contents = self._contents()
        self._notify(self._occasions(run, contents), str(run.run_id))
        if not occasions.has_declined(run, self._settings):
            ended = occasions.ended_topics(run) if run.error is None else ()
            topics = tuple(topic for topic in ended if topic not in self._still_open)
            finished = FinishedRun(run, tuple(self._tail.lines), contents.datasets, topics)
            for channel in self._channels:
                self._outbox.add(channel, "the end", partial(channel.run_ended, finished))
        seconds = self._alerts.total_seconds
        if isinstance(run.error, Interrupted):
            seconds = min(seconds, _SECONDS_WHEN_INTERRUPTED)
        self._outbox.wait(seconds)
        self._undo_failed()

    def _occasions(self, run: RunResult, contents: _Contents) -> list[Occasion]:
        found: list[Occasion] = []
        if run.error is None:
            found += [occasions.recovery(topic) for topic in occasions.ended_topics(run)]
        elif occasions.is_reported(run, self._settings):
            found.append(occasions.failure(run))
        found += occasions.staleness(contents.datasets)
        found += occasions.low_volume(contents.volumes)
        found += [occasions.misplaced(contents.shared)] if contents.shared is not None else []
        return [*found, *occasions.quarantine(run, self._alerts)]

    def _notify(self, found: Iterable[Occasion], run_id: str) -> None:
        for occasion, notification in self._record(list(found), run_id):
            alert = occasions.alert_of(occasion, notification, self._run, self._alerts, run_id)
            for channel in self._channels:
                if channel.name in notification.channels:
                    delivery = self._outbox.add(channel, f"an alert ({alert.kind})", partial(channel.send, alert))
                    self._sent.append(_Sent(notification, alert.is_over, channel.name, delivery))

    def _record(self, found: list[Occasion], run_id: str) -> Notifications:
        """Record the occasions, and return those to notify channels of."""
        if self._has_database:
            try:
                with incidents.updated(self._engine, self._settings.loader_role, self._rules) as current:
                    notifications = self._update(current, found, run_id)
            except PipelineError as exc:
                log.event(f"cannot record in ops.alerts who is notified: {exc}", level=log.WARNING)
            else:
                return notifications + self._end_of_outage(found, notifications)
        return self._during_outage(found)

    def _update(self, current: Incidents, found: list[Occasion], run_id: str) -> Notifications:
        notifications: Notifications = []
        for occasion in found:
            notification: Notification | None
            if occasion.causes:
                notification = current.report(
                    occasion.topic, occasion.causes, occasion.summary, run_id=run_id, seen_at=occasion.seen_at
                )
            else:
                notification = current.close(occasion.topic, self._run.started_at)
                if current.is_open(occasion.topic):
                    self._still_open.add(occasion.topic)
            if notification and notification.channels:
                notifications.append((occasion, notification))
        return notifications

    def _during_outage(self, found: list[Occasion]) -> Notifications:
        failed = [occasion for occasion in found if occasion.causes]
        if not failed or not self._outage.allows(failed[0].topic, failed[0].summary):
            return []
        now = datetime.now(UTC)
        return [(each, Notification(each.topic, now, 1, self._rules.channels, each.summary)) for each in failed]

    def _end_of_outage(self, found: list[Occasion], notifications: Notifications) -> Notifications:
        outage = self._outage.end({occasion.topic for occasion in found})
        notified = {occasion.topic for occasion, _ in notifications}
        if outage is None or outage.topic in notified:
            return []
        ended = Notification(outage.topic, outage.since, 1, self._rules.channels, outage.summary)
        return [(each, ended) for each in found if each.topic == outage.topic and not each.causes]

    def _undo_failed(self) -> None:
        failed = [sent for sent in self._sent if sent.delivery.error and sent.notification.before]
        if failed:
            with incidents.updated(self._engine, self._settings.loader_role, self._rules) as current:
                for sent in failed:
                    current.undo(sent.notification, sent.channel, is_over=sent.is_over)

    def _contents(self) -> _Contents:
        if not self._has_database:
            return _Contents()
        try:
            with db.session(self._engine, role=self._settings.loader_role) as connection:
                datasets = health.freshness(connection, self._settings, datetime.now(UTC))
                shared = shared_contents(connection, self._settings.schema)
            # the loader may not read the marts
            with db.session(self._engine) as connection:
                return _Contents(datasets, read_volumes(connection), shared)
        except PipelineError:
            return _Contents()

    @property
    def _has_database(self) -> bool:
        return self._settings.database is not None and not isinstance(self._run.error, DatabaseUnavailableError)

    @cached_property
    def _engine(self) -> db.Engine:
        return db.create_engine(self._settings)


class _Tail(logging.Handler):
    """Keeps the last lines of the log, redacted."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[str] = deque(maxlen=_LOG_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        when = datetime.fromtimestamp(record.created, UTC)
        step = getattr(record, "fields", {}).get("step", "")
        self.lines.append(f"{when:%H:%M:%S} {record.levelname.lower():<7} {step:<9} {safe(record.getMessage())}")


def send_test(settings: AlertSettings) -> list[tuple[str, str | None]]:
    """Send a test by each channel.

    Arguments:
        settings: the channels.

    Returns:
        The name of each channel, and why it failed or None.

    """
    log.hide(settings.secrets)
    outbox, alert = Outbox(settings), occasions.test_alert(settings)
    for channel in channels_of(settings):
        outbox.add(channel, "a test", partial(channel.send_test, alert))
    return [(delivery.channel.name, delivery.error) for delivery in outbox.wait(settings.total_seconds)]
