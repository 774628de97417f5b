"""OpenTelemetry: traces and metrics of a run.

The libraries are imported only if the standard variables ask for them.
"""

from ingestion import log
from ingestion.config import Telemetry
from ingestion.observers import Observer

__all__ = ["observers_of"]


def observers_of(telemetry: Telemetry) -> list[Observer]:
    """Return the observer that reports a run to OpenTelemetry, or none if telemetry is off.

    Arguments:
        telemetry: the signals to send.

    """
    if not telemetry.is_wanted:
        return []
    log.hide(telemetry.secrets)
    try:
        from ingestion.telemetry.reporter import Reporter  # noqa: PLC0415  (the libraries take a fifth of a second)

        return [Reporter(telemetry)]
    except Exception as exc:  # noqa: BLE001  (a bad setting of the libraries must not stop a run)
        log.event(f"no telemetry: {type(exc).__name__}: {exc}", level=log.WARNING)
        return []
