"""ntfy.

```
PIPELINE_ALERT_NTFY_URL=https://ntfy.sh/wearables-5f0c2a91
PIPELINE_ALERT_NTFY_TOKEN=tk_...     # only if the topic requires an access token
```

The URL is that of a topic on [ntfy.sh](https://ntfy.sh) or on your own server. Everybody who knows the name of a public
topic can read it, so choose one that nobody guesses. Alerts have the priority 4 (high), and the end of one has 3. A tap
on the notification opens `PIPELINE_ALERT_LINK`. ntfy would turn a message of more than 4,096 bytes into an attachment;
longer texts are cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel
from ingestion.config.alerts import ChannelSettings
from ingestion.config.kinds import TEXT, URL, Kind
from ingestion.config.setting import setting

_MAX_BYTES = 4096
_DEFAULT, _HIGH = 3, 4
# a shorter name could be a part of many texts
_SECRET_LENGTH = 12


def _split(url: str) -> tuple[str, str]:
    """Return the URL of the server, and the topic."""
    parts = urlsplit(url)
    folder, _, topic = parts.path.rstrip("/").rpartition("/")
    return urlunsplit(parts._replace(path=f"{folder}/")), topic


def _secrets(url: str) -> Iterator[str]:
    yield from URL.secrets(url)
    topic = _split(url)[1]
    if len(topic) >= _SECRET_LENGTH:
        yield topic


_TOPIC_URL = Kind(URL.form, URL.parse, _secrets)


@dataclass(frozen=True)
class NtfySettings(ChannelSettings):
    """Settings of ntfy."""

    url: str | None = setting("PIPELINE_ALERT_NTFY_URL", _TOPIC_URL, "the URL of a topic of ntfy", is_secret=True)
    token: str | None = setting(
        "PIPELINE_ALERT_NTFY_TOKEN",
        TEXT,
        "an access token for the topic",
        is_secret=True,
        needs=("PIPELINE_ALERT_NTFY_URL",),
    )


class Ntfy(Channel[NtfySettings]):
    """A topic of ntfy."""

    title = "ntfy"
    kind = "ntfy"
    settings_type = NtfySettings

    def send(self, alert: Alert) -> None:
        # as JSON, which ntfy accepts at the root of the server: a header could not hold every character of a title
        server, topic = _split(self.settings.url or "")
        message = {
            "topic": topic,
            "title": alert.title,
            "message": alert.text.encode()[:_MAX_BYTES].decode(errors="ignore"),
            "priority": _DEFAULT if alert.is_over else _HIGH,
            "tags": ["white_check_mark" if alert.is_over else "rotating_light"],
            **({"click": alert.link} if alert.link else {}),
        }
        headers = {"Authorization": f"Bearer {self.settings.token}"} if self.settings.token else {}
        self.http.send("POST", server, json=message, headers=headers)
