"""Microsoft Teams.

```
PIPELINE_ALERT_TEAMS_URL=https://default....environment.api.powerplatform.com/powerautomate/automations/direct/workflows/...
```

In the channel, choose Workflows, then "Send webhook alerts to a channel"; Teams shows the URL. The alert is an
Adaptive Card. The connectors of Office 365, with their `MessageCard`, are retired and not supported.
"""

from dataclasses import dataclass
from typing import Any

from ingestion.alerts.alert import Alert
from ingestion.alerts.webhook import JsonWebhook, WebhookSettings
from ingestion.config.kinds import URLS
from ingestion.config.setting import setting


@dataclass(frozen=True)
class TeamsSettings(WebhookSettings):
    """Settings of Microsoft Teams."""

    urls: tuple[str, ...] = setting(
        "PIPELINE_ALERT_TEAMS_URL", URLS, "webhooks of workflows of Teams", default=(), is_secret=True
    )


class Teams(JsonWebhook[TeamsSettings]):
    """A workflow of Teams that posts each webhook request to a channel."""

    title = "Microsoft Teams"
    kind = "teams"
    settings_type = TeamsSettings

    def body(self, alert: Alert) -> dict[str, Any]:
        color = "Good" if alert.is_over else "Attention"
        blocks = [_block(alert.title, weight="Bolder", size="Medium", color=color)]
        if alert.summary:
            blocks.append(_block(alert.summary, fontType="Monospace"))
        if alert.hint:
            blocks.append(_block(f"What to do: {alert.hint}"))
        blocks += [_block(f"{name}: {value}", spacing="None") for name, value in alert.facts]
        if alert.more:
            blocks.append(_block(f"More: {alert.more}", isSubtle=True))
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "body": blocks,
            "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": alert.link}] if alert.link else [],
        }
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        return {"type": "message", "attachments": [attachment]}


def _block(text: str, spacing: str = "Default", **style: Any) -> dict[str, Any]:
    # a TextBlock would interpret Markdown
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": [{"type": "TextRun", "text": text, **style}]}
