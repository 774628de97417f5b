"""The metrics of the last run, in Prometheus' format."""

import time

from prometheus_client import CollectorRegistry, Gauge

from ingestion.alerts.channel import FinishedRun

Labels = tuple[tuple[str, str], ...]
Metrics = dict[tuple[str, Labels], float]

PREFIX = "wearables_pipeline_"
HELP = {
    "last_run_timestamp_seconds": "When the last run of the command ended.",
    "last_run_success": "1 if it succeeded, else 0.",
    "last_run_exit_code": "Its exit code.",
    "last_run_duration_seconds": "How long it took.",
    "last_success_timestamp_seconds": "When a run of the command last succeeded.",
    "last_run_files": "Files of the last run by status.",
    "last_run_rows": "Rows of the last run by outcome.",
    "dataset_last_file_timestamp_seconds": "When a new file of the dataset was last loaded.",
    "alert_test_timestamp_seconds": "When `alert test` was last called.",
}
_STATUSES = ("loaded", "replaced", "skipped", "duplicate", "refused", "unknown")


def metrics_of(finished: FinishedRun) -> Metrics:
    """Return the metrics of a run, by name and labels.

    Arguments:
        finished: the run.

    """
    run, now = finished.run, time.time()
    command = (("command", run.command),)
    metrics: Metrics = {
        ("last_run_timestamp_seconds", command): now,
        ("last_run_success", command): float(run.error is None),
        ("last_run_exit_code", command): run.exit_code,
        ("last_run_duration_seconds", command): run.duration_seconds,
    }
    if run.error is None:
        metrics["last_success_timestamp_seconds", command] = now
    if run.ingest:
        counts, files = run.ingest.counts, run.ingest.by_status()
        rows = {"read": counts.read, "loaded": counts.loaded, "rejected": counts.rejected}
        metrics |= {("last_run_rows", (*command, ("outcome", name))): value for name, value in rows.items()}
        metrics |= {("last_run_files", (*command, ("status", name))): files.get(name, 0) for name in _STATUSES}
    for dataset in finished.datasets:
        if dataset.last_loaded_at:
            labels = (("dataset", dataset.name),)
            metrics["dataset_last_file_timestamp_seconds", labels] = dataset.last_loaded_at.timestamp()
    return metrics


def test_metrics() -> Metrics:
    """Return the metric that `alert test` sends."""
    return {("alert_test_timestamp_seconds", ()): time.time()}


def registry_of(metrics: Metrics) -> CollectorRegistry:
    """Return metrics as the client library writes them.

    Arguments:
        metrics: by name and labels.

    """
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for (name, labels), value in sorted(metrics.items()):
        if name not in gauges:
            gauges[name] = Gauge(PREFIX + name, HELP[name], [key for key, _ in labels], registry=registry)
        gauge = gauges[name].labels(**dict(labels)) if labels else gauges[name]
        gauge.set(value)
    return registry
