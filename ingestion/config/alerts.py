"""The settings of alerts that all channels share; each channel declares its own in ingestion/alerts/channels/."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path

from ingestion.config.kinds import FILE, HOURS, PATH, PERCENT, SECONDS, TEXT, URL, count
from ingestion.config.setting import read_into, secrets_in, setting


@dataclass(frozen=True)
class ChannelSettings:
    """The settings of one kind of channel. The first one turns the channel on."""

    @property
    def is_configured(self) -> bool:
        """Whether the first setting has a value."""
        return bool(getattr(self, fields(self)[0].name))


@dataclass(frozen=True)
class AlertSettings:
    """The settings of alerts; docs/alerts.md explains them.

    Arguments:
        channels: the settings of each configured channel.

    """

    name: str = setting(
        "PIPELINE_ALERT_NAME", TEXT, "the name of this pipeline in alerts", default="wearables-pipeline"
    )
    link: str | None = setting("PIPELINE_ALERT_LINK", URL, "a page with details; every alert ends with it")
    quarantine_rows: int | None = setting(
        "PIPELINE_ALERT_QUARANTINE_ROWS", count(), "alert if a file or a run has this many rejected rows"
    )
    quarantine_percent: float | None = setting(
        "PIPELINE_ALERT_QUARANTINE_PERCENT", PERCENT, "the same, in percent of the rows read"
    )
    remind_after_hours: float = setting(
        "PIPELINE_ALERT_REMIND_AFTER_HOURS", HOURS, "repeat the alert if a failure lasts this long", default=24.0
    )
    timeout_seconds: float = setting(
        "PIPELINE_ALERT_TIMEOUT_SECONDS", SECONDS, "the longest that one request may take", default=10.0
    )
    attempts: int = setting("PIPELINE_ALERT_ATTEMPTS", count(), "how often to try one request", default=3)
    total_seconds: float = setting(
        "PIPELINE_ALERT_TOTAL_SECONDS", SECONDS, "the longest that all alerts of a run may take together", default=30.0
    )
    ca_file: Path | None = setting(
        "PIPELINE_ALERT_CA_FILE", FILE, "certificate authorities to trust besides the system's"
    )
    state_file: Path | None = setting(
        "PIPELINE_ALERT_STATE_FILE",
        PATH,
        "the time of the last alert while the database is unavailable",
        default_text="in the temporary directory",
    )
    channels: tuple[ChannelSettings, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether any channel is configured."""
        return bool(self.channels)

    @property
    def secrets(self) -> Iterator[str]:
        """All that must not be shown: tokens, passwords, and URLs that give access by themselves."""
        for channel in self.channels:
            yield from secrets_in(channel)


def channel_settings() -> Iterable[type[ChannelSettings]]:
    """Return the settings of every kind of channel, in the order of the registry."""
    # channels import config: named here, the registry is loaded only once it is needed
    registry = import_module("ingestion.alerts.channels")
    return [channel.settings_type for channel in registry.kinds()]


def read_alerts(environ: Mapping[str, str]) -> AlertSettings:
    """Return the settings of alerts.

    Arguments:
        environ: the environment's variables.

    Raises:
        ConfigurationError: a value is invalid, or lacks another that it needs.

    """
    # without any of these, nothing of a channel is loaded
    is_wanted = any(value and name.startswith("PIPELINE_ALERT_") for name, value in environ.items())
    channels = [read_into(kind, environ) for kind in channel_settings()] if is_wanted else []
    return read_into(AlertSettings, environ, channels=tuple(each for each in channels if each.is_configured))
