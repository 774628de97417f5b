"""Figures of the last run for Prometheus: in a file for node_exporter, or pushed to a Pushgateway."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from prometheus_client import CollectorRegistry, Gauge, pushadd_to_gateway, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from ingestion.alerts.alert import Alert
from ingestion.alerts.channel import Channel, ChannelError, Ending
from ingestion.alerts.http import Http
from ingestion.config import AlertSettings

Labels = tuple[tuple[str, str], ...]
Figures = dict[tuple[str, Labels], float]

_PREFIX = "wearables_pipeline_"
_HELP = {
    "last_run_timestamp_seconds": "When the last run of the command ended.",
    "last_run_success": "1 where it succeeded, else 0.",
    "last_run_exit_code": "Its exit code.",
    "last_run_duration_seconds": "How long it took.",
    "last_success_timestamp_seconds": "When a run of the command last ended as a success.",
    "last_run_files": "Files of the last run by what became of them.",
    "last_run_rows": "Rows of the last run by what became of them.",
    "dataset_last_file_timestamp_seconds": "When a new file of the dataset was last loaded.",
    "alert_test_timestamp_seconds": "When `alert test` was last called.",
}
_FILES = ("loaded", "replaced", "skipped", "duplicate", "refused", "unknown")


def figures(ending: Ending) -> Figures:
    """Return what is known of a run, by metric and labels.

    Arguments:
        ending: of the run.

    """
    run, now = ending.run, time.time()
    command = (("command", run.command),)
    found: Figures = {
        ("last_run_timestamp_seconds", command): now,
        ("last_run_success", command): float(run.error is None),
        ("last_run_exit_code", command): run.exit_code,
        ("last_run_duration_seconds", command): run.duration_seconds,
    }
    if run.error is None:
        found["last_success_timestamp_seconds", command] = now
    if run.ingest:
        counts, files = run.ingest.counts, run.ingest.by_status()
        rows = {"read": counts.read, "loaded": counts.loaded, "rejected": counts.rejected}
        found |= {("last_run_rows", (*command, ("outcome", name))): value for name, value in rows.items()}
        found |= {("last_run_files", (*command, ("status", name))): files.get(name, 0) for name in _FILES}
    for dataset in ending.datasets:
        if dataset.last_loaded_at:
            labels = (("dataset", dataset.name),)
            found["dataset_last_file_timestamp_seconds", labels] = dataset.last_loaded_at.timestamp()
    return found


class _Prometheus(Channel):
    gets_alerts = False

    def ended(self, ending: Ending) -> None:
        self.write(figures(ending), ending.run.command)

    def test(self, alert: Alert) -> None:  # noqa: ARG002
        """Set a gauge of its own."""
        self.write({("alert_test_timestamp_seconds", ()): time.time()}, "alert_test")

    def write(self, found: Figures, command: str) -> None:
        raise NotImplementedError


class Textfile(_Prometheus):
    """A file that node_exporter reads, put in place whole; what it says of other commands stays."""

    @classmethod
    def configured(cls, settings: AlertSettings) -> Iterator[Self]:
        if settings.prometheus_textfile:
            yield cls(settings, "prometheus_textfile")

    def write(self, found: Figures, command: str) -> None:  # noqa: ARG002
        path = self._settings.prometheus_textfile
        if path is None:
            return
        try:
            write_to_textfile(str(path), _registry({**_read(path), **found}))
        except OSError as exc:
            raise ChannelError(f"{path} cannot be written: {exc.strerror}") from exc


class Pushgateway(_Prometheus):
    """A Pushgateway: a group for each command, of which what is not pushed again stays."""

    @classmethod
    def configured(cls, settings: AlertSettings) -> Iterator[Self]:
        if settings.pushgateway_url:
            yield cls(settings, "pushgateway")

    def write(self, found: Figures, command: str) -> None:
        pushadd_to_gateway(
            self._settings.pushgateway_url or "",
            job=self._settings.name,
            registry=_registry(found),
            grouping_key={"command": command},
            handler=self._handler,
        )

    # the signature is the library's
    def _handler(
        self,
        url: str,
        method: str,
        timeout: float | None,  # noqa: ARG002
        headers: list[tuple[str, str]],
        data: bytes,
    ) -> Callable[[], Any]:
        return lambda: Http(self._settings).send(method, url, data=data, headers=dict(headers))


def _registry(found: Figures) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for (name, labels), value in sorted(found.items()):
        if name not in gauges:
            gauges[name] = Gauge(_PREFIX + name, _HELP[name], [key for key, _ in labels], registry=registry)
        gauge = gauges[name].labels(**dict(labels)) if labels else gauges[name]
        gauge.set(value)
    return registry


def _read(path: Path) -> Figures:
    try:
        text = path.read_text(encoding="utf-8")
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except (OSError, ValueError):
        return {}
    return {
        (sample.name.removeprefix(_PREFIX), tuple(sample.labels.items())): sample.value
        for sample in samples
        if sample.name.removeprefix(_PREFIX) in _HELP
    }
