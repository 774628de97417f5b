"""Prometheus textfile.

```
PIPELINE_ALERT_PROMETHEUS_TEXTFILE=/var/lib/node_exporter/textfile/wearables_pipeline.prom
```

The file is for the textfile collector of node_exporter and is replaced atomically. Each run writes:

| metric | labels |
|---|---|
| `wearables_pipeline_last_run_success`, 1 or 0 | `command` |
| `wearables_pipeline_last_run_exit_code` | `command` |
| `wearables_pipeline_last_run_duration_seconds` | `command` |
| `wearables_pipeline_last_run_timestamp_seconds` | `command` |
| `wearables_pipeline_last_success_timestamp_seconds`, which a failure leaves unchanged | `command` |
| `wearables_pipeline_last_run_files` | `command`, `status` |
| `wearables_pipeline_last_run_rows` | `command`, `outcome`: read, loaded, rejected |
| `wearables_pipeline_dataset_last_file_timestamp_seconds` | `dataset` |

```yaml
- alert: WearablesPipelineSilent
  expr: time() - wearables_pipeline_last_success_timestamp_seconds{command="run"} > 26 * 3600
```
"""

from dataclasses import dataclass
from pathlib import Path

from prometheus_client import write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel, FinishedRun
from ingestion.alerts.metrics import HELP, PREFIX, Metrics, metrics_of, registry_of, test_metrics
from ingestion.config.alerts import ChannelSettings
from ingestion.config.kinds import PATH
from ingestion.config.setting import setting
from ingestion.sending.errors import ChannelError


@dataclass(frozen=True)
class TextfileSettings(ChannelSettings):
    """Settings of the textfile."""

    path: Path | None = setting(
        "PIPELINE_ALERT_PROMETHEUS_TEXTFILE", PATH, "a file for the textfile collector of node_exporter"
    )


class Textfile(Channel[TextfileSettings]):
    """A file that node_exporter reads."""

    title = "Prometheus textfile"
    kind = "prometheus_textfile"
    settings_type = TextfileSettings
    receives_alerts = False

    def run_ended(self, finished: FinishedRun) -> None:
        self._write(metrics_of(finished))

    def send_test(self, alert: Alert) -> None:  # noqa: ARG002
        self._write(test_metrics())

    def _write(self, metrics: Metrics) -> None:
        path = self.settings.path
        if path is None:
            return
        try:
            # a failed run keeps the time of the last success, and a command the metrics of the others
            write_to_textfile(str(path), registry_of({**_read(path), **metrics}))
        except OSError as exc:
            raise ChannelError(f"cannot write {path}: {exc.strerror}") from exc


def _read(path: Path) -> Metrics:
    try:
        text = path.read_text(encoding="utf-8")
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except (OSError, ValueError):
        return {}
    return {
        (sample.name.removeprefix(PREFIX), tuple(sample.labels.items())): sample.value
        for sample in samples
        if sample.name.removeprefix(PREFIX) in HELP
    }
