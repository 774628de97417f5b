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

_MAX_HEADER = 150
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
        blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(title[:_MAX_HEADER])}]
        if alert.summary:
            code = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": alert.summary}]}
            blocks.append({"type": "rich_text", "elements": [code]})
        if alert.hint:
            blocks.append({"type": "section", "text": _plain(f"What to do: {alert.hint}")})
        if alert.facts:
            fields = [_plain(f"{name}: {value}") for name, value in alert.facts[:_MAX_FIELDS]]
            blocks.append({"type": "section", "fields": fields})
        if alert.more:
            blocks.append({"type": "section", "text": _plain(f"More: {alert.more}")})
        if alert.link:
            button = {"type": "button", "text": _plain("Open"), "url": alert.link, "action_id": "open"}
            blocks.append({"type": "actions", "elements": [button]})
        # the text of a notification: the only place where Slack interprets markup
        text = f"{title}\n{alert.summary}"
        for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(mark, entity)
        return {"text": text, "blocks": blocks}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}
