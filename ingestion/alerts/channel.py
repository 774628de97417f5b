"""What a channel is, and how one says that it could not send."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from ingestion.alerts.alert import Alert
from ingestion.config import AlertSettings
from ingestion.health import DatasetFreshness
from ingestion.results import RunResult


class ChannelError(Exception):
    """It could not be sent, and trying again would end the same way.

    Arguments:
        message: one line, without the address: that may be a secret.

    """


class TemporaryError(ChannelError):
    """It could not be sent now.

    Arguments:
        message: one line, without the address.
        retry_after: seconds that the other side wants us to wait.

    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Arguments:
        run: what it did.
        log_tail: its last log lines, redacted.
        datasets: how fresh each is, where the database could say.
        ended_topics: what its success is the end of.

    """

    run: RunResult
    log_tail: tuple[str, ...] = ()
    datasets: Sequence[DatasetFreshness] = ()
    ended_topics: tuple[str, ...] = ()


class Channel:
    """One way to somebody. Each method sends, and returns once the other side has taken it.

    All may raise `ChannelError`, and `TemporaryError` where another attempt makes sense; a method may be called again
    after it has failed half-way.

    Arguments:
        settings: with what the channel needs.
        name: for the log, and for the record of who was told.

    """

    # who gets alerts: each of them once. The others are told of each run, and judge for themselves
    gets_alerts: ClassVar[bool] = True

    def __init__(self, settings: AlertSettings, name: str) -> None:
        self._settings = settings
        self.name = name

    @classmethod
    def configured(cls, settings: AlertSettings) -> Iterator[Self]:
        """Yield one for each place that the settings name."""
        raise NotImplementedError

    def tell(self, alert: Alert) -> None:
        """Send an alert."""

    def started(self, run: RunResult) -> None:
        """Say that a run has begun."""

    def ended(self, ending: Ending) -> None:
        """Say that a run has ended, well or badly."""

    def test(self, alert: Alert) -> None:
        """Send an alert that is only a test."""
        self.tell(alert)


def numbered(name: str, count: int) -> list[str]:
    """Return names for several places of one kind.

    Arguments:
        name: of the kind.
        count: how many there are.

    """
    return [name, *(f"{name}_{number}" for number in range(2, count + 1))][:count]
