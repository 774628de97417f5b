"""A collector receives the telemetry of a run, and a collector that fails does not change the run."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ingestion import log, runner
from ingestion.config import ROOT, Settings
from tests.drops import activity, sleep
from tests.listeners import Service, serve
from tests.observed import ANSWERS, PARENT_SPAN, PASSWORD, PLANTED, TOKEN, TRACE, USER, ObservedRun

Configured = Callable[..., Settings]


def environment(url: str, **others: str) -> dict[str, str]:
    """Return the standard variables for a collector."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
        **others,
    }


@pytest.fixture
def configured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Configured:
    """Return settings with telemetry from these variables."""

    def configured(variables: dict[str, str]) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return replace(settings, telemetry=Settings.from_environment(variables).telemetry)

    return configured


def spans_of(collector: Service) -> list[Span]:
    return [
        span
        for body in collector.bodies("/v1/traces")
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def by_name(collector: Service) -> dict[str, Span]:
    return {span.name: span for span in spans_of(collector)}


def values(attributes: Iterator[KeyValue] | list[KeyValue]) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in attributes}


def test_a_trace_is_a_tree_of_run_steps_files_and_nodes(observed_run: ObservedRun) -> None:
    spans = by_name(observed_run.collector)
    by_id = {span.span_id: span for span in spans.values()}
    parents = {span.name: by_id[span.parent_span_id].name for span in spans.values() if span.parent_span_id in by_id}
    assert {parents[f"step {name}"] for name in ("migrate", "ingest", "dbt_build")} == {"pipeline run"}
    assert parents["file daily_activity"] == parents["file sleep"] == "step ingest"
    assert parents["model fct_user_day"] == parents["test days_reconcile"] == "step dbt_build"
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    assert spans["pipeline run"].parent_span_id.hex() == PARENT_SPAN
    for name, span in spans.items():
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        if name in parents:
            parent = spans[parents[name]]
            # durations are in whole milliseconds
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= parent.end_time_unix_nano + 2_000_000, name


def test_spans_have_the_figures_of_the_run(observed_run: ObservedRun) -> None:
    run = values(list(by_name(observed_run.collector)["pipeline run"].attributes))
    assert run == {
        "pipeline.run.id": str(observed_run.run.run_id),
        "pipeline.command": "run",
        "pipeline.outcome": "failure",
        "process.exit.code": 65,
        "error.type": "FilesRefusedError",
    }
    loaded = values(list(by_name(observed_run.collector)["file daily_activity"].attributes))
    assert loaded["pipeline.rows.loaded"] == 2
    assert loaded["file.path"] == "daily_activity.csv"
    assert loaded["file.size"] == len(activity(USER, 2))
    model = values(list(by_name(observed_run.collector)["model fct_user_day"].attributes))
    assert model["db.collection.name"] == "marts.fct_user_day"
    assert model["pipeline.outcome"] == "success"


def test_failed_spans_have_a_reason(observed_run: ObservedRun) -> None:
    spans = spans_of(observed_run.collector)
    failed = {span.name: span.status.message for span in spans if span.status.code == Status.STATUS_CODE_ERROR}
    assert set(failed) >= {"pipeline run", "step ingest", "file sleep"}
    assert "step migrate" not in failed
    assert failed["step ingest"].startswith("FilesRefusedError: user_id=***/sleep_2.csv: ")
    assert "SleepDay" in failed["file sleep"]
    (event,) = by_name(observed_run.collector)["step ingest"].events
    assert values(list(event.attributes)) == {
        "exception.type": "FilesRefusedError",
        "exception.message": failed["step ingest"],
    }


def test_metrics_count_files_rows_nodes_and_runs(observed_run: ObservedRun) -> None:
    points: dict[str, dict[tuple[object, ...], float]] = {}
    units = {}
    for body in observed_run.collector.bodies("/v1/metrics"):
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                units[metric.name] = metric.unit
                points[metric.name] = {
                    tuple(sorted(map(str, values(list(point.attributes)).values()))): point.as_int
                    for point in metric.sum.data_points
                } or {
                    tuple(sorted(map(str, values(list(point.attributes)).values()))): point.sum
                    for point in metric.histogram.data_points
                }
    assert points["pipeline.files"] == {
        ("daily_activity", "loaded"): 1,
        ("loaded", "sleep"): 1,
        ("refused", "sleep"): 1,
    }
    assert {key: value for key, value in points["pipeline.rows"].items() if "sleep" in key} == {
        ("loaded", "sleep"): 2,
        ("rejected", "sleep"): 1,
        ("blank", "sleep"): 0,
        ("erased", "sleep"): 0,
    }
    assert points["pipeline.runs"] == {("FilesRefusedError", "failure", "run"): 1}
    assert points["pipeline.dbt.nodes"][("model", "success")] > 10
    took = points["pipeline.run.duration"][("FilesRefusedError", "failure", "run")]
    assert took == pytest.approx(observed_run.run.duration_seconds)
    assert sum(points["pipeline.step.duration"].values()) == pytest.approx(took, rel=0.2)
    assert units == {
        "pipeline.files": "{file}",
        "pipeline.rows": "{row}",
        "pipeline.runs": "{run}",
        "pipeline.dbt.nodes": "{node}",
        "pipeline.run.duration": "s",
        "pipeline.step.duration": "s",
    }


def test_the_resource_has_the_service_and_the_attributes_of_the_variables(observed_run: ObservedRun) -> None:
    body = observed_run.collector.bodies("/v1/traces")[0]
    resource = values(list(ExportTraceServiceRequest.FromString(body).resource_spans[0].resource.attributes))
    assert resource["service.name"] == "wearables-pipeline"
    assert resource["deployment.environment.name"] == "test"


def test_log_lines_have_the_ids_of_trace_and_span(observed_run: ObservedRun) -> None:
    lines = [line for line in observed_run.lines if "trace_id" in line]
    assert {line["trace_id"] for line in lines} == {TRACE}
    loaded = next(line for line in lines if line.get("file") == "daily_activity.csv")
    assert loaded["span_id"] == by_name(observed_run.collector)["step ingest"].span_id.hex()


def test_telemetry_contains_no_personal_data_and_no_secrets(observed_run: ObservedRun) -> None:
    assert {request.headers["authorization"] for request in observed_run.collector.requests} == {f"Bearer {TOKEN}"}
    for request in observed_run.collector.requests:
        for planted in PLANTED:
            assert planted.encode() not in request.body
    assert TOKEN not in json.dumps(observed_run.lines)


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [("down", "Connection refused"), ("hangs", "did not accept telemetry within"), ("500", "500")],
)
def test_a_failing_collector_only_delays_the_run(
    configured: Configured, monkeypatch: pytest.MonkeyPatch, kind: str, complaint: str
) -> None:
    monkeypatch.setattr("ingestion.telemetry.delivery._FLUSH_SECONDS", 1.0)
    lines = StringIO()
    log.configure("json", lines)
    with serve(Service(ANSWERS[kind])) as collector:
        url = collector.url if kind != "down" else "http://127.0.0.1:9"
        settings = configured(environment(url, OTEL_EXPORTER_OTLP_TIMEOUT="1.5"))
        Path(settings.landing_zone, "sleep.csv").write_bytes(sleep(1))
        started = time.monotonic()
        run = runner.run(settings, "ingest")
        assert time.monotonic() - started < run.duration_seconds + 2
        assert run.exit_code == 0
    for thread in threading.enumerate():
        # the run no longer waits for this thread, which is about to log a warning
        if thread.name.startswith("Otel"):
            thread.join()
    warnings = [json.loads(line) for line in lines.getvalue().splitlines() if '"warning"' in line]
    assert len(warnings) == 1
    assert complaint in warnings[0]["message"]


def test_a_protocol_that_is_not_installed_is_a_warning(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = StringIO()
    log.configure("json", lines)
    with serve(Service()) as collector:
        settings = configured(
            environment(
                collector.url, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="grpc", OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"
            )
        )
        assert runner.run(settings, "migrate").exit_code == 0
        assert {request.path for request in collector.requests} == {"/v1/metrics"}
    (warning,) = [json.loads(line) for line in lines.getvalue().splitlines() if '"warning"' in line]
    assert warning["message"] == "no traces: there is no exporter for otlp by grpc"
    assert "http/protobuf" in warning["hint"]
    assert "trace_id" not in lines.getvalue()


def test_an_invalid_variable_is_a_warning(configured: Configured) -> None:
    lines = StringIO()
    log.configure("json", lines)
    settings = configured(environment("http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY="-1"))
    assert runner.run(settings, "migrate").exit_code == 0
    assert "no telemetry: ValueError" in lines.getvalue()


def test_the_libraries_are_imported_only_if_configured(settings: Settings) -> None:
    Path(settings.landing_zone, "sleep.csv").write_bytes(sleep(1))
    code = (
        "import sys; from ingestion.cli import main; code = main(sys.argv[1:]);"
        "print(code, [name for name in sys.modules if name.startswith(('opentelemetry', 'openlineage', 'requests'))])"
    )
    command = [sys.executable, "-c", code, "ingest", "--use-manifest", "--data-dir", settings.landing_zone]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENLINEAGE_", "PG"))}
    done = subprocess.run(
        command,
        env={**clean, **settings.known_database.environment},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_run_without_a_database_is_reported(configured: Configured) -> None:
    with serve(Service()) as collector:
        settings = configured(environment(collector.url))
        away = replace(settings.known_database, parameters={"host": "127.0.0.1", "port": "9", "password": PASSWORD})
        run = runner.run(replace(settings, database=away, db_wait_seconds=0))
        (span,) = spans_of(collector)
    assert run.exit_code == 69
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert values(list(span.attributes))["error.type"] == "DatabaseUnavailableError"
    assert PASSWORD not in str(span)
