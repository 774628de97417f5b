"""The registry of channels. To add one, write its module in this folder and name its class in `CHANNELS`."""

from functools import cache
from importlib import import_module
from typing import Any

from ingestion.alerts.channel import Channel
from ingestion.config import AlertSettings

CHANNELS = (
    "slack.Slack",
    "teams.Teams",
    "webhook.Webhook",
    "ntfy.Ntfy",
    "mail.Mail",
    "github.GitHub",
    "ping.Ping",
    "textfile.Textfile",
    "pushgateway.Pushgateway",
)


@cache
def kinds() -> tuple[type[Channel[Any]], ...]:
    """Return the class of each channel, in the order of the registry."""
    names = [name.split(".") for name in CHANNELS]
    return tuple(getattr(import_module(f"{__name__}.{module}"), kind) for module, kind in names)


def channels_of(common: AlertSettings) -> list[Channel[Any]]:
    """Return the configured channels.

    Arguments:
        common: the settings of alerts.

    """
    by_settings = {kind.settings_type: kind for kind in kinds()}
    return [
        channel
        for settings in common.channels
        for channel in by_settings[type(settings)].from_settings(settings, common)
    ]
