"""Prometheus Pushgateway.

```
PIPELINE_ALERT_PUSHGATEWAY_URL=https://user:password@pushgateway.example.org
```

The metrics are those of the [textfile](#prometheus-textfile). `job` is the pipeline's name, and each `command` has a
group. The gateway keeps what a run does not push again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import pushadd_to_gateway

from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel, FinishedRun
from ingestion.alerts.metrics import Metrics, metrics_of, registry_of, test_metrics
from ingestion.config.alerts import ChannelSettings
from ingestion.config.kinds import URL
from ingestion.config.setting import setting


@dataclass(frozen=True)
class PushgatewaySettings(ChannelSettings):
    """Settings of a Pushgateway."""

    url: str | None = setting("PIPELINE_ALERT_PUSHGATEWAY_URL", URL, "a Pushgateway of Prometheus", is_secret=True)


class Pushgateway(Channel[PushgatewaySettings]):
    """A Pushgateway."""

    title = "Prometheus Pushgateway"
    kind = "pushgateway"
    settings_type = PushgatewaySettings
    receives_alerts = False

    def run_ended(self, finished: FinishedRun) -> None:
        self._push(metrics_of(finished), finished.run.command)

    def send_test(self, alert: Alert) -> None:  # noqa: ARG002
        self._push(test_metrics(), "alert_test")

    def _push(self, metrics: Metrics, command: str) -> None:
        pushadd_to_gateway(
            self.settings.url or "",
            job=self.common.name,
            registry=registry_of(metrics),
            grouping_key={"command": command},
            handler=self._handler,
        )

    # the library defines the signature
    def _handler(
        self,
        url: str,
        method: str,
        timeout: float | None,  # noqa: ARG002
        headers: list[tuple[str, str]],
        data: bytes,
    ) -> Callable[[], Any]:
        return lambda: self.http.send(method, url, data=data, headers=dict(headers))
