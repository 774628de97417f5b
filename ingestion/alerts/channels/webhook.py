"""Any webhook.

```
PIPELINE_ALERT_WEBHOOK_URL=https://alerts.example.org/pipeline
PIPELINE_ALERT_WEBHOOK_TOKEN=...     # optional: Authorization: Bearer ...
```

The body is the alert as JSON: see [the example](#an-alert-as-json).
"""

from dataclasses import dataclass
from typing import Any

from ingestion.alerts.alert import Alert
from ingestion.alerts.webhook import JsonWebhook, WebhookSettings
from ingestion.config.kinds import TEXT, URLS
from ingestion.config.setting import setting


@dataclass(frozen=True)
class AnyWebhookSettings(WebhookSettings):
    """Settings of any webhook."""

    urls: tuple[str, ...] = setting(
        "PIPELINE_ALERT_WEBHOOK_URL", URLS, "URLs that accept the alert as JSON", default=(), is_secret=True
    )
    token: str | None = setting("PIPELINE_ALERT_WEBHOOK_TOKEN", TEXT, "a bearer token for these URLs", is_secret=True)


class Webhook(JsonWebhook[AnyWebhookSettings]):
    """A webhook that accepts the alert as it is."""

    title = "Any webhook"
    kind = "webhook"
    settings_type = AnyWebhookSettings

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.settings.token}"} if self.settings.token else {}

    def body(self, alert: Alert) -> dict[str, Any]:
        return alert.json
