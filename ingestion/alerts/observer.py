"""Watches a run, and tells the channels what its signs mean."""

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial

from sqlalchemy import Engine

from ingestion import db, health, log
from ingestion.alerts import occasions
from ingestion.alerts.alert import safe
from ingestion.alerts.channel import Channel, Ending
from ingestion.alerts.channels import channels_of
from ingestion.alerts.delivery import Delivery, Post
from ingestion.alerts.ledger import DatabaseLedger, FileLedger, Ledger, NoLedger, Rules, Standing, state_file
from ingestion.alerts.occasions import Sign
from ingestion.config import AlertSettings, Settings
from ingestion.errors import DatabaseUnavailableError, Interrupted, PipelineError
from ingestion.health import DatasetFreshness
from ingestion.observers import Observer
from ingestion.results import RunResult, Step

# Kubernetes gives a run that it ends 30 seconds, and Docker 10
_SECONDS_WHEN_INTERRUPTED = 5.0
_LOG_LINES = 50
_queries = db.queries("alerts")


@dataclass(frozen=True)
class _Claim:
    """A channel counts as told of a standing until its delivery turns out to have failed."""

    standing: Standing
    is_over: bool
    channel: str
    delivery: Delivery
    ledger: Ledger


class Alerts(Observer):
    """Sends the alerts of one run.

    Arguments:
        settings: of the run, with at least one channel.

    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._alerts = settings.alerts
        log.hide(self._alerts.secrets)
        self._channels = channels_of(self._alerts)
        self._post = Post(self._alerts)
        self._file = FileLedger(state_file(settings))
        self._rules = Rules(
            tuple(channel.name for channel in self._channels if channel.gets_alerts),
            timedelta(hours=self._alerts.remind_after_hours),
        )
        self._claims: list[_Claim] = []
        self._tail = _Tail()
        self._run = RunResult("run")
        self._is_started = False
        self._still_open: set[str] = set()

    def run_started(self, run: RunResult) -> None:
        self._run = run
        log.logger.addHandler(self._tail)

    def step_started(self, step: Step) -> None:  # noqa: ARG002
        # not before: a run that waits for another, or gives way to it, has not begun
        if not self._is_started:
            self._is_started = True
            for channel in self._channels:
                self._post.add(channel, "the start", partial(channel.started, self._run))

    def run_died(self, run_id: str) -> None:
        """Tell of it at once: this run may die of the same."""
        with db.session(self._engine, role=self._settings.loader_role) as connection:
            command, started_at = _queries.command_of(connection, run_id=run_id)
        self._tell([occasions.death(command or "run", started_at)], run_id)

    def run_ended(self, run: RunResult) -> None:
        log.logger.removeHandler(self._tail)
        datasets = self._datasets()
        self._tell(self._signs(run, datasets), str(run.run_id))
        if not occasions.gave_way(run, self._settings):
            ended = occasions.ended_topics(run) if run.error is None else ()
            topics = tuple(topic for topic in ended if topic not in self._still_open)
            ending = Ending(run, tuple(self._tail.lines), datasets, topics)
            for channel in self._channels:
                self._post.add(channel, "the end", partial(channel.ended, ending))
        seconds = self._alerts.total_seconds
        if isinstance(run.error, Interrupted):
            seconds = min(seconds, _SECONDS_WHEN_INTERRUPTED)
        self._post.wait(seconds)
        self._take_back()

    def _signs(self, run: RunResult, datasets: list[DatasetFreshness]) -> list[Sign]:
        signs: list[Sign] = []
        if run.error is None:
            signs += [occasions.recovery(topic) for topic in occasions.ended_topics(run)]
        elif occasions.is_told(run, self._settings):
            signs.append(occasions.failure(run))
        return [*signs, *occasions.staleness(datasets), *occasions.quarantine(run, self._alerts)]

    def _tell(self, signs: Iterable[Sign], run_id: str) -> None:
        signs = list(signs)
        ledger, told = self._remember(signs, run_id)
        for sign, standing in told:
            alert = occasions.alert_of(sign, standing, self._run, self._alerts, run_id)
            for channel in self._channels:
                if channel.name in standing.due:
                    delivery = self._post.add(channel, f"an alert ({alert.kind})", partial(channel.tell, alert))
                    self._claims.append(_Claim(standing, alert.is_over, channel.name, delivery, ledger))

    def _remember(self, signs: list[Sign], run_id: str) -> tuple[Ledger, list[tuple[Sign, Standing]]]:
        """Write the signs down where that is possible, and return where, and what is to be told."""
        ledgers: list[Ledger] = [self._file]
        if self._has_database:
            ledgers.insert(0, DatabaseLedger(self._engine, self._settings.loader_role, self._file))
        for ledger in ledgers:
            try:
                return ledger, self._write_down(ledger, signs, run_id)
            except (PipelineError, OSError) as exc:
                log.event(f"{type(ledger).__name__} cannot keep who is told: {exc}", level=log.WARNING)
        nothing = NoLedger()
        return nothing, self._write_down(nothing, signs, run_id)

    def _write_down(self, ledger: Ledger, signs: list[Sign], run_id: str) -> list[tuple[Sign, Standing]]:
        told: list[tuple[Sign, Standing]] = []
        with ledger.book(self._rules) as book:
            for sign in signs:
                if sign.causes:
                    standing: Standing | None = book.report(
                        sign.topic, sign.causes, sign.summary, run_id=run_id, seen_at=sign.seen_at
                    )
                else:
                    standing = book.end(sign.topic, self._run.started_at)
                    if book.is_open(sign.topic):
                        self._still_open.add(sign.topic)
                if standing and standing.due:
                    told.append((sign, standing))
        return told

    def _take_back(self) -> None:
        failed = [claim for claim in self._claims if claim.delivery.error]
        for ledger in {id(claim.ledger): claim.ledger for claim in failed}.values():
            with ledger.book(self._rules) as book:
                for claim in failed:
                    if claim.ledger is ledger:
                        book.take_back(claim.standing, claim.channel, is_over=claim.is_over)

    def _datasets(self) -> list[DatasetFreshness]:
        if not self._has_database:
            return []
        try:
            with db.session(self._engine, role=self._settings.loader_role) as connection:
                return health.freshness(connection, self._settings, datetime.now(UTC))
        except PipelineError:
            return []

    @property
    def _has_database(self) -> bool:
        return self._settings.database is not None and not isinstance(self._run.error, DatabaseUnavailableError)

    @cached_property
    def _engine(self) -> Engine:
        return db.create_engine(self._settings)


class _Tail(logging.Handler):
    """The last lines of the log, fit to be sent."""

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
        settings: with the channels.

    Returns:
        For each channel its name, and why it failed or None.

    """
    log.hide(settings.secrets)
    post, alert = Post(settings), occasions.test_alert(settings)
    channels: list[Channel] = channels_of(settings)
    for channel in channels:
        post.add(channel, "a test", partial(channel.test, alert))
    return [(delivery.channel.name, delivery.error) for delivery in post.wait(settings.total_seconds)]
