"""Whether OpenTelemetry and OpenLineage are wanted; their own libraries read where and how to send."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from ingestion.config.kinds import TEXT, VERBATIM, Kind
from ingestion.config.setting import Setting

_LEAST_SECRET = 8
_OTEL = "the pipeline, OpenTelemetry"
_OPENLINEAGE = "the pipeline, OpenLineage"


def _secrets_of_headers(headers: str) -> Iterator[str]:
    for header in headers.split(","):
        value = header.partition("=")[2].strip()
        # as it is written, as it is sent, and what follows `Bearer`
        for secret in (value, unquote(value), *unquote(value).split(" ")[1:]):
            # the 1 of x-tenant=1 is part of many texts, and no secret
            if len(secret) >= _LEAST_SECRET:
                yield secret


def _otel(name: str, meaning: str, kind: Kind = VERBATIM, **more: object) -> Setting:
    return Setting(name, kind, meaning, reader=_OTEL, **more)  # type: ignore[arg-type]


def _lineage(name: str, meaning: str, **more: object) -> Setting:
    return Setting(name, VERBATIM, meaning, reader=_OPENLINEAGE, **more)  # type: ignore[arg-type]


_HEADERS = Kind("headers, as name=value,name=value", lambda text: text, secrets=_secrets_of_headers)
_PROTOCOL = "http/protobuf"

ENDPOINT = _otel("OTEL_EXPORTER_OTLP_ENDPOINT", "the collector that gets traces and metrics", on_schedule=True)
TRACES_ENDPOINT = _otel("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "the collector that gets traces only")
METRICS_ENDPOINT = _otel("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "the collector that gets metrics only")
TRACES_EXPORTER = _otel(
    "OTEL_TRACES_EXPORTER", "`none` turns traces off", default_text="`otlp` if there is an endpoint"
)
METRICS_EXPORTER = _otel(
    "OTEL_METRICS_EXPORTER", "`none` turns metrics off", default_text="`otlp` if there is an endpoint"
)
PROTOCOL = _otel("OTEL_EXPORTER_OTLP_PROTOCOL", "the only protocol that comes with the pipeline", default=_PROTOCOL)
TRACES_PROTOCOL = _otel("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "the same for traces")
METRICS_PROTOCOL = _otel("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "the same for metrics")
HEADERS = (
    _otel(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "headers that the collector requires, such as a token",
        _HEADERS,
        is_secret=True,
        on_schedule=True,
    ),
    _otel("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "the same for traces", _HEADERS, is_secret=True),
    _otel("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "the same for metrics", _HEADERS, is_secret=True),
)
SDK_DISABLED = _otel("OTEL_SDK_DISABLED", "`true` turns OpenTelemetry off", TEXT, default="false")
PARENT_TRACE = (
    _otel("TRACEPARENT", "the trace that the run belongs to, as W3C writes it"),
    _otel("TRACESTATE", "the state of that trace"),
)
OPENLINEAGE_URL = _lineage("OPENLINEAGE_URL", "the OpenLineage catalogue that gets lineage", on_schedule=True)
OPENLINEAGE_CONFIG = _lineage(
    "OPENLINEAGE_CONFIG", "a configuration file of OpenLineage; `openlineage.yml` is found by itself"
)
OPENLINEAGE_API_KEY = _lineage("OPENLINEAGE_API_KEY", "the catalogue's key", is_secret=True, on_schedule=True)
OPENLINEAGE_NAMESPACE = _lineage("OPENLINEAGE_NAMESPACE", "the namespace of the jobs", default="default")
OPENLINEAGE_PARENT_ID = _lineage("OPENLINEAGE_PARENT_ID", "the run that this run belongs to, as `namespace/job/run id`")
OPENLINEAGE_DISABLED = _lineage("OPENLINEAGE_DISABLED", "`true` turns lineage off", default="false")
OPENLINEAGE_TRANSPORT = _lineage("OPENLINEAGE__TRANSPORT__", "the beginning of variables that describe a transport")

TELEMETRY_SETTINGS = (
    *(ENDPOINT, TRACES_ENDPOINT, METRICS_ENDPOINT, TRACES_EXPORTER, METRICS_EXPORTER),
    *(PROTOCOL, TRACES_PROTOCOL, METRICS_PROTOCOL, *HEADERS, SDK_DISABLED, *PARENT_TRACE),
)
LINEAGE_SETTINGS = (
    *(OPENLINEAGE_URL, OPENLINEAGE_CONFIG, OPENLINEAGE_TRANSPORT, OPENLINEAGE_API_KEY, OPENLINEAGE_NAMESPACE),
    *(OPENLINEAGE_PARENT_ID, OPENLINEAGE_DISABLED),
)


@dataclass(frozen=True)
class Signal:
    """One signal of OpenTelemetry: traces or metrics.

    Arguments:
        exporters: the exporters to use, as OTEL_TRACES_EXPORTER names them; none turns the signal off.
        protocol: the protocol of the exporter `otlp`.

    """

    exporters: tuple[str, ...] = ()
    protocol: str = _PROTOCOL


@dataclass(frozen=True)
class Telemetry:
    """What OpenTelemetry is to collect. Its own library reads from its own variables where and how to send it.

    Arguments:
        traces: spans of the run, its steps, files and dbt nodes.
        metrics: counts and durations of the run.
        parent: the trace that the run belongs to, as `traceparent` and `tracestate` of W3C.
        secrets: texts that must not be shown.

    """

    traces: Signal = Signal()
    metrics: Signal = Signal()
    parent: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_wanted(self) -> bool:
        """Whether any signal has an exporter."""
        return bool(self.traces.exporters or self.metrics.exporters)


@dataclass(frozen=True)
class Lineage:
    """What OpenLineage is to send. Its own library reads from its own variables and file where and how.

    Arguments:
        is_wanted: whether a variable or file names a destination.
        namespace: the namespace of the jobs.
        parent: the run that this run belongs to, as `namespace/name/run id`.
        secrets: texts that must not be shown.

    """

    is_wanted: bool = False
    namespace: str = "default"
    parent: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


def read_telemetry(environ: Mapping[str, str]) -> Telemetry:
    """Return what OpenTelemetry's variables ask for.

    Arguments:
        environ: the environment's variables.

    """
    # an invalid value is no error: a platform may set these variables for everything that it runs
    if SDK_DISABLED.read(environ).lower() == "true":
        return Telemetry()
    return Telemetry(
        traces=_signal(environ, TRACES_EXPORTER, TRACES_ENDPOINT, TRACES_PROTOCOL),
        metrics=_signal(environ, METRICS_EXPORTER, METRICS_ENDPOINT, METRICS_PROTOCOL),
        parent={each.name.lower(): value for each in PARENT_TRACE if (value := each.read(environ))},
        secrets=tuple(secret for each in HEADERS for secret in each.secrets_in(each.read(environ))),
    )


def _signal(environ: Mapping[str, str], exporter: Setting, endpoint: Setting, protocol: Setting) -> Signal:
    has_endpoint = ENDPOINT.read(environ) or endpoint.read(environ)
    names = (exporter.read(environ) or ("otlp" if has_endpoint else "none")).split(",")
    return Signal(
        tuple(name for each in names if (name := each.strip()) not in {"", "none"}),
        protocol.read(environ) or PROTOCOL.read(environ),
    )


def read_lineage(environ: Mapping[str, str]) -> Lineage:
    """Return what OpenLineage's variables or its file ask for.

    Arguments:
        environ: the environment's variables.

    """
    if OPENLINEAGE_DISABLED.read(environ).strip().lower() == "true":
        return Lineage()
    # where the library looks for its file
    files = [Path("openlineage.yml"), Path(environ.get("HOME", "/"), ".openlineage", "openlineage.yml")]
    is_wanted = (
        any(each.read(environ) for each in (OPENLINEAGE_URL, OPENLINEAGE_CONFIG))
        or any(value and name.startswith(OPENLINEAGE_TRANSPORT.name) for name, value in environ.items())
        or any(file.is_file() for file in files)
    )
    return Lineage(
        is_wanted=is_wanted,
        namespace=OPENLINEAGE_NAMESPACE.read(environ),
        parent=OPENLINEAGE_PARENT_ID.read(environ),
        secrets=tuple(OPENLINEAGE_API_KEY.secrets_in(OPENLINEAGE_API_KEY.read(environ))),
    )
