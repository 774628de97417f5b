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
from ingestion.sending import teams


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
        blocks = [teams.block(alert.title, weight="Bolder", size="Medium", color=color)]
        if alert.summary:
            blocks.append(teams.block(alert.summary, fontType="Monospace"))
        if alert.hint:
            blocks.append(teams.block(f"What to do: {alert.hint}"))
        blocks += [teams.block(f"{name}: {value}", spacing="None") for name, value in alert.facts]
        if alert.more:
            blocks.append(teams.block(f"More: {alert.more}", isSubtle=True))
        return teams.message(blocks, alert.link)
