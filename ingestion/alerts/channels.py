"""The channels that there are."""

from ingestion.alerts.channel import Channel
from ingestion.alerts.github import GitHub
from ingestion.alerts.mail import Mail
from ingestion.alerts.ping import Ping
from ingestion.alerts.prometheus import Pushgateway, Textfile
from ingestion.alerts.webhooks import Slack, Teams, Webhook
from ingestion.config import AlertSettings

CHANNELS: tuple[type[Channel], ...] = (Slack, Teams, Webhook, Mail, GitHub, Ping, Textfile, Pushgateway)


def channels_of(settings: AlertSettings) -> list[Channel]:
    """Return the channels that are configured.

    Arguments:
        settings: which.

    """
    return [channel for kind in CHANNELS for channel in kind.configured(settings)]
