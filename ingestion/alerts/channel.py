"""The interface of a channel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Generic, Self, TypeVar

from ingestion.alerts.alert import Alert
from ingestion.config.alerts import AlertSettings, ChannelSettings
from ingestion.health import DatasetFreshness
from ingestion.results import RunResult
from ingestion.sending.http import Http

S = TypeVar("S", bound=ChannelSettings)


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended.

    Arguments:
        run: its result.
        log_tail: its last log lines, redacted.
        datasets: how fresh each dataset is; empty if the database is unavailable.
        ended_topics: the topics that the success of this run closes.

    """

    run: RunResult
    log_tail: tuple[str, ...] = ()
    datasets: Sequence[DatasetFreshness] = ()
    ended_topics: tuple[str, ...] = ()


class Channel(Generic[S]):
    """Sends alerts to one place.

    Each method returns once the other side has accepted the message. It raises `ChannelError` if that is impossible,
    and `TemporaryError` if another attempt may succeed. A method may be called again after it has failed half-way.

    Arguments:
        settings: the channel's own settings.
        common: the settings that all channels share.
        name: the channel's name in the log and in ops.alerts.

    """

    # docs/alerts.md has a section of this title, made of the docstring of the channel's module
    title: ClassVar[str]
    kind: ClassVar[str]
    settings_type: ClassVar[type[ChannelSettings]]
    # the others follow every run and decide by themselves what is wrong
    receives_alerts: ClassVar[bool] = True

    def __init__(self, settings: S, common: AlertSettings, name: str) -> None:
        self.settings = settings
        self.common = common
        self.name = name

    @classmethod
    def from_settings(cls, settings: S, common: AlertSettings) -> Iterator[Self]:
        """Yield one channel for each place that the settings name."""
        yield cls(settings, common, cls.kind)

    @cached_property
    def http(self) -> Http:
        """Sends HTTP requests within the limits of the settings."""
        return Http(self.common)

    def send(self, alert: Alert) -> None:
        """Send an alert."""

    def run_started(self, run: RunResult) -> None:
        """Report that a run has started."""

    def run_ended(self, finished: FinishedRun) -> None:
        """Report that a run has ended, successfully or not."""

    def send_test(self, alert: Alert) -> None:
        """Send a test alert."""
        self.send(alert)
