"""Slack.

```
PIPELINE_ALERT_SLACK_URL=https://hooks.slack.com/services/T000/B000/...
```

The URL is that of an [incoming webhook](https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
Mattermost and Rocket.Chat accept the same body and show its text. All texts are plain, so that nothing in an error
becomes a mention or a link.
"""

from dataclasses import dataclass
from typing import Any

from ingestion.alerts.alert import Alert
from ingestion.alerts.webhook import JsonWebhook, WebhookSettings
from ingestion.config.kinds import URLS
from ingestion.config.setting import setting
from ingestion.sending import slack

_MAX_FIELDS = 10


@dataclass(frozen=True)
class SlackSettings(WebhookSettings):
    """Settings of Slack."""

    urls: tuple[str, ...] = setting(
        "PIPELINE_ALERT_SLACK_URL", URLS, "incoming webhooks of Slack", default=(), is_secret=True
    )


class Slack(JsonWebhook[SlackSettings]):
    """An incoming webhook of Slack."""

    title = "Slack"
    kind = "slack"
    settings_type = SlackSettings

    def body(self, alert: Alert) -> dict[str, Any]:
        title = f"{'✅' if alert.is_over else '🔴'} {alert.title}"
        blocks = [slack.header(title)]
        if alert.summary:
            code = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": alert.summary}]}
            blocks.append({"type": "rich_text", "elements": [code]})
        if alert.hint:
            blocks.append(slack.section(f"What to do: {alert.hint}"))
        if alert.facts:
            fields = [slack.plain(f"{name}: {value}") for name, value in alert.facts[:_MAX_FIELDS]]
            blocks.append({"type": "section", "fields": fields})
        if alert.more:
            blocks.append(slack.section(f"More: {alert.more}"))
        if alert.link:
            blocks.append(slack.button(alert.link))
        return slack.message(f"{title}\n{alert.summary}", blocks)
