"""What is wanted of OpenTelemetry and OpenLineage, as far as their own libraries do not read it themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

_LEAST_SECRET = 8


@dataclass(frozen=True)
class Signal:
    """One of OpenTelemetry's signals.

    Arguments:
        exporters: the exporters that are wanted, as OTEL_TRACES_EXPORTER names them; none turns it off.
        protocol: for the exporter `otlp`.

    """

    exporters: tuple[str, ...] = ()
    protocol: str = "http/protobuf"


@dataclass(frozen=True)
class Telemetry:
    """What is wanted of OpenTelemetry. Where it goes and how, its own library reads from its own variables.

    Arguments:
        traces: of the run, its steps, files and dbt's nodes.
        metrics: of what went through.
        parent: the trace that the run is a part of, as `traceparent` and `tracestate` of W3C.
        secrets: what must not be shown.

    """

    traces: Signal = Signal()
    metrics: Signal = Signal()
    parent: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.traces.exporters or self.metrics.exporters)


@dataclass(frozen=True)
class Lineage:
    """What is wanted of OpenLineage. Where it goes and how, its own library reads from its own variables and its file.

    Arguments:
        is_wanted: whether any of them says where.
        namespace: of the jobs.
        parent: the run that this one is a part of, as `namespace/name/run id`.
        secrets: what must not be shown.

    """

    is_wanted: bool = False
    namespace: str = "default"
    parent: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


def read_telemetry(environ: Mapping[str, str]) -> Telemetry:
    """Return what OpenTelemetry's variables want.

    Arguments:
        environ: the environment's variables.

    """
    # unlike our own settings a wrong value turns nothing red: a platform may set these for everything that it runs
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Telemetry()
    return Telemetry(
        traces=_signal(
            environ, "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
        ),
        metrics=_signal(
            environ,
            "OTEL_METRICS_EXPORTER",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        ),
        parent={name.lower(): environ[name] for name in ("TRACEPARENT", "TRACESTATE") if environ.get(name)},
        secrets=tuple(
            secret
            for name in (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
            )
            for header in environ.get(name, "").split(",")
            # as it stands there, as it is sent, and what follows `Bearer`
            for value in (header.partition("=")[2].strip(),)
            for secret in (value, unquote(value), *unquote(value).split(" ")[1:])
            # x-tenant=1 is no secret, and 1 is a part of much that must be read
            if len(secret) >= _LEAST_SECRET
        ),
    )


def _signal(environ: Mapping[str, str], exporter: str, endpoint: str, protocol: str) -> Signal:
    has_endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get(endpoint)
    names = (environ.get(exporter) or ("otlp" if has_endpoint else "none")).split(",")
    return Signal(
        tuple(name for each in names if (name := each.strip()) not in {"", "none"}),
        environ.get(protocol) or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or Signal.protocol,
    )


def read_lineage(environ: Mapping[str, str]) -> Lineage:
    """Return what OpenLineage's variables, or its file, want.

    Arguments:
        environ: the environment's variables.

    """
    if environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return Lineage()
    # where the library looks for it
    files = [Path("openlineage.yml"), Path(environ.get("HOME", "/"), ".openlineage", "openlineage.yml")]
    is_wanted = any(
        value and (name in {"OPENLINEAGE_URL", "OPENLINEAGE_CONFIG"} or name.startswith("OPENLINEAGE__TRANSPORT__"))
        for name, value in environ.items()
    )
    return Lineage(
        is_wanted=is_wanted or any(file.is_file() for file in files),
        namespace=environ.get("OPENLINEAGE_NAMESPACE") or Lineage.namespace,
        parent=environ.get("OPENLINEAGE_PARENT_ID") or None,
        secrets=tuple(key for key in (environ.get("OPENLINEAGE_API_KEY"),) if key),
    )
