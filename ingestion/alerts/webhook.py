"""What the channels that post JSON to URLs have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel
from ingestion.config.alerts import AlertSettings, ChannelSettings


@dataclass(frozen=True)
class WebhookSettings(ChannelSettings):
    """Settings of which the first is `urls`."""

    urls: tuple[str, ...] = ()


W = TypeVar("W", bound=WebhookSettings)


class JsonWebhook(Channel[W]):
    """A URL that accepts a POST of JSON; each URL of the setting is one channel.

    Arguments:
        settings: the channel's own settings.
        common: the settings that all channels share.
        name: the channel's name in the log and in ops.alerts.
        url: where to post.

    """

    def __init__(self, settings: W, common: AlertSettings, name: str, url: str = "") -> None:
        super().__init__(settings, common, name)
        self._url = url

    @classmethod
    def from_settings(cls, settings: W, common: AlertSettings) -> Iterator[Self]:
        for number, url in enumerate(settings.urls, start=1):
            yield cls(settings, common, cls.kind if number == 1 else f"{cls.kind}_{number}", url)

    def send(self, alert: Alert) -> None:
        self.http.send("POST", self._url, json=self.body(alert), headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        return {}

    def body(self, alert: Alert) -> dict[str, Any]:
        raise NotImplementedError
