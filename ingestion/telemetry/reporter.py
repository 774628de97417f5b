"""Report a run to OpenTelemetry: a trace of the run, its steps, files and dbt nodes, and metrics.

docs/telemetry.md lists the names, attributes and units.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta

from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, format_span_id, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from ingestion import __version__, log
from ingestion.config import Telemetry
from ingestion.observers import Observer
from ingestion.results import FileResult, NodeResult, RunResult, Step
from ingestion.run_tracker import summary_of
from ingestion.sources import path_without_person, without_user_id
from ingestion.telemetry.delivery import Delivery

_SCOPE = "ingestion"
# a landing zone can contain thousands of files that are skipped
_TRACED_FILES = {"loaded", "replaced", "duplicate", "refused"}
_TRACED_NODES = {"model", "test", "operation"}
_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

_Attributes = Mapping[str, AttributeValue | None]


class Reporter(Observer):
    """Reports a run to OpenTelemetry.

    Arguments:
        telemetry: the signals to send.

    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._delivery = Delivery(telemetry)
        self._parent = TraceContextTextMapPropagator().extract(telemetry.parent)
        self._tracer = self._delivery.tracers.get_tracer(_SCOPE, __version__)
        self._run_log_fields = ExitStack()
        self._step_log_fields = ExitStack()
        self._run: Span
        self._step: Span
        meter = self._delivery.meters.get_meter(_SCOPE, __version__)
        self._runs = meter.create_counter("pipeline.runs", "{run}", "Runs, by outcome.")
        self._run_seconds = meter.create_histogram(
            "pipeline.run.duration", "s", "Duration of runs.", explicit_bucket_boundaries_advisory=_SECONDS
        )
        self._step_seconds = meter.create_histogram(
            "pipeline.step.duration", "s", "Duration of steps.", explicit_bucket_boundaries_advisory=_SECONDS
        )
        self._files = meter.create_counter("pipeline.files", "{file}", "Files of the landing zone, by outcome.")
        self._rows = meter.create_counter("pipeline.rows", "{row}", "Rows read, by outcome.")
        self._nodes = meter.create_counter("pipeline.dbt.nodes", "{node}", "Models and tests of dbt, by outcome.")

    def run_started(self, run: RunResult) -> None:
        self._run = self._start(
            f"pipeline {run.command}",
            self._parent,
            run.started_at,
            {"pipeline.run.id": str(run.run_id), "pipeline.command": run.command},
        )
        self._run_log_fields = _bind_log_to(self._run)

    def run_died(self, run_id: str) -> None:
        self._run.add_event("pipeline.run.died", {"pipeline.run.id": run_id})
        self._runs.add(1, {"pipeline.outcome": "died"})

    def step_started(self, step: Step) -> None:
        attributes: _Attributes = {"pipeline.step.name": step.name, "pipeline.step.attempt": step.attempt}
        self._step = self._start(f"step {step.name}", set_span_in_context(self._run), step.started_at, attributes)
        self._step_log_fields = _bind_log_to(self._step)

    def step_ended(self, step: Step, error: BaseException | None) -> None:
        self._step_log_fields.close()
        self._step.set_attributes(
            _without_none(
                {
                    "pipeline.outcome": step.status,
                    "pipeline.step.skipped": step.skipped,
                    "pipeline.rows.read": step.rows_in,
                    "pipeline.rows.written": step.rows_out,
                    "pipeline.rows.rejected": step.rows_rejected,
                }
            )
        )
        if error:
            _fail(self._step, error, summary_of(error))
        duration_ms = step.duration_ms or 0
        self._step.end(_nanoseconds(step.started_at, duration_ms))
        outcome = {"pipeline.step.name": step.name, "pipeline.outcome": step.status}
        self._step_seconds.record(duration_ms / 1000, outcome | _error_type(error))

    def file_ended(self, file: FileResult) -> None:
        dataset = {"pipeline.dataset": file.dataset} if file.dataset else {}
        self._files.add(1, {**dataset, "pipeline.outcome": file.status})
        if file.counts.read:
            for outcome in ("loaded", "rejected", "blank", "erased"):
                self._rows.add(getattr(file.counts, outcome), {**dataset, "pipeline.outcome": outcome})
        if file.status not in _TRACED_FILES or file.started_at is None:
            return
        span = self._start(
            f"file {file.dataset}",
            set_span_in_context(self._step),
            file.started_at,
            {
                "file.path": path_without_person(file.filename),
                "file.size": file.size,
                "pipeline.file.checksum": file.checksum,
                "pipeline.dataset": file.dataset,
                "pipeline.outcome": file.status,
                "pipeline.rows.read": file.counts.read,
                "pipeline.rows.loaded": file.counts.loaded,
                "pipeline.rows.rejected": file.counts.rejected,
            },
        )
        if file.status == "refused":
            span.set_attribute("error.type", "FileRefusedError")
            reason = f"{path_without_person(file.filename)}: {file.reason}"
            span.set_status(Status(StatusCode.ERROR, without_user_id(log.redact(reason))))
        span.end(_nanoseconds(file.started_at, file.duration_ms or 0))

    def models_built(self, nodes: list[NodeResult]) -> None:
        for node in nodes:
            if node.resource_type in _TRACED_NODES:
                kind = {"dbt.resource_type": node.resource_type, "pipeline.outcome": node.status}
                self._nodes.add(1, kind)
                if node.started_at:
                    self._trace_node(node, node.started_at, kind)

    def _trace_node(self, node: NodeResult, started_at: datetime, kind: dict[str, str]) -> None:
        span = self._start(
            f"{node.resource_type} {node.name}",
            set_span_in_context(self._step),
            started_at,
            {
                **kind,
                "dbt.node.id": node.node_id,
                "db.collection.name": node.relation or node.tested,
                "pipeline.rows.written": node.rows_affected if node.resource_type == "model" else None,
                "dbt.test.failures": node.failures if node.resource_type == "test" else None,
            },
        )
        if node.has_failed:
            span.set_status(Status(StatusCode.ERROR, node.message or node.status))
        span.end(_nanoseconds(started_at, node.duration_ms))

    def run_ended(self, run: RunResult) -> None:
        self._run_log_fields.close()
        outcome = {"pipeline.command": run.command, "pipeline.outcome": "failure" if run.error else "success"}
        outcome |= _error_type(run.error)
        self._runs.add(1, outcome)
        self._run_seconds.record(run.duration_seconds, outcome)
        self._run.set_attributes({"pipeline.outcome": outcome["pipeline.outcome"], "process.exit.code": run.exit_code})
        if run.error:
            _fail(self._run, run.error, run.error_summary or summary_of(run.error))
        self._run.end(_nanoseconds(run.started_at, run.duration_seconds * 1000))
        self._delivery.finish()

    def _start(self, name: str, parent: Context, started_at: datetime, attributes: _Attributes) -> Span:
        return self._tracer.start_span(
            name, parent, attributes=_without_none(attributes), start_time=_nanoseconds(started_at)
        )


def _without_none(attributes: _Attributes) -> dict[str, AttributeValue]:
    return {name: value for name, value in attributes.items() if value is not None}


def _fail(span: Span, error: BaseException, summary: str) -> None:
    """Record an error as its redacted line in the log. Its own text and traceback can quote data."""
    summary = without_user_id(summary)
    span.set_attributes(
        _without_none({**_error_type(error), "db.response.status_code": getattr(error, "sqlstate", None)})
    )
    span.add_event("exception", {"exception.type": type(error).__name__, "exception.message": summary})
    span.set_status(Status(StatusCode.ERROR, summary))


def _error_type(error: BaseException | None) -> dict[str, str]:
    return {"error.type": type(error).__name__} if error else {}


def _bind_log_to(span: Span) -> ExitStack:
    """Add the ids of the span to each line of the log until the result is closed."""
    names = ExitStack()
    context = span.get_span_context()
    if context.is_valid:
        trace_id, span_id = format_trace_id(context.trace_id), format_span_id(context.span_id)
        names.enter_context(log.bound(trace_id=trace_id, span_id=span_id))
    return names


def _nanoseconds(moment: datetime, later_ms: float = 0.0) -> int:
    return round((moment + timedelta(milliseconds=later_ms)).timestamp() * 1_000_000) * 1000
