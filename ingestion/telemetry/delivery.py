"""Set up the exporters, and send telemetry with a time limit and at most one warning."""

import threading
import time
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.metrics import MeterProvider as AnyMeterProvider
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracerProvider
from opentelemetry.trace import TracerProvider as AnyTracerProvider

from ingestion import __version__, log
from ingestion.config import Signal, Telemetry

_FLUSH_SECONDS = 3.0
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


class Delivery:
    """The providers of spans and measurements, configured by the standard variables.

    They are not global, so other libraries in the process do not start to report.

    Arguments:
        telemetry: the signals to send.

    Raises:
        Exception: the libraries cannot read the value of a variable.

    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._warn = log.log_first_warning("opentelemetry", "telemetry is not delivered")
        self._providers: list[TracerProvider | MeterProvider] = []
        resource = _resource()
        self.tracers: AnyTracerProvider = NoOpTracerProvider()
        self.meters: AnyMeterProvider = NoOpMeterProvider()
        if exporters := self._exporters("traces", telemetry.traces):
            tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
            for exporter in exporters:
                tracers.add_span_processor(BatchSpanProcessor(exporter))
            self._providers.append(tracers)
            self.tracers = tracers
        if exporters := self._exporters("metrics", telemetry.metrics):
            meters = MeterProvider(
                [PeriodicExportingMetricReader(exporter) for exporter in exporters],
                resource=resource,
                shutdown_on_exit=False,
            )
            self._providers.append(meters)
            self.meters = meters

    def finish(self) -> None:
        """Send what is left, and wait at most a few seconds."""
        # the time limits of the libraries apply between two attempts, not within one
        threads = [threading.Thread(target=self._shut_down, args=(each,), daemon=True) for each in self._providers]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + _FLUSH_SECONDS
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))
        if any(thread.is_alive() for thread in threads):
            self._warn(f"the collector did not accept telemetry within {_FLUSH_SECONDS:g} s; the rest is lost")

    def _shut_down(self, provider: TracerProvider | MeterProvider) -> None:
        try:
            provider.shutdown()
        except Exception as exc:  # noqa: BLE001  (the telemetry is lost, and the run continues)
            self._warn(f"telemetry was not delivered: {type(exc).__name__}: {exc}")

    def _exporters(self, kind: str, signal: Signal) -> list[Any]:
        exporters = []
        for name in signal.exporters:
            entry_point = _OTLP.get(signal.protocol.strip().lower(), signal.protocol) if name == "otlp" else name
            points = entry_points(group=f"opentelemetry_{kind}_exporter", name=entry_point)
            if not points:
                exporter = f"otlp by {signal.protocol}" if name == "otlp" else name
                hint = (
                    "Set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, which collectors accept at port 4318."
                    if name == "otlp"
                    else f"Set OTEL_{kind.upper()}_EXPORTER to otlp, console or none."
                )
                log.event(f"no {kind}: there is no exporter for {exporter}", level=log.WARNING, hint=hint)
                continue
            exporters.append(next(iter(points)).load()())
        return exporters


def _resource() -> Resource:
    configured = Resource.create()
    defaults = {SERVICE_VERSION: str(configured.attributes.get(SERVICE_VERSION, __version__))}
    if str(configured.attributes[SERVICE_NAME]).startswith("unknown_service"):
        defaults[SERVICE_NAME] = "wearables-pipeline"
    return configured.merge(Resource(defaults))
