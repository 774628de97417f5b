"""OpenTelemetry: traces and metrics of a run, where its standard variables ask for them.

Without them none of it is imported.
"""

from ingestion import log
from ingestion.config import Telemetry
from ingestion.observers import Observer

__all__ = ["observers_of"]


def observers_of(wanted: Telemetry) -> list[Observer]:
    """Return who tells OpenTelemetry of a run: nobody, unless it is wanted.

    Arguments:
        wanted: what is.

    """
    if not wanted.is_wanted:
        return []
    log.hide(wanted.secrets)
    try:
        from ingestion.telemetry.reporter import Reporter  # noqa: PLC0415  (the libraries take a fifth of a second)

        return [Reporter(wanted)]
    except Exception as exc:  # noqa: BLE001  (a variable that the libraries cannot read is no reason not to load files)
        log.event(f"no telemetry: {type(exc).__name__}: {exc}", level=log.WARNING)
        return []
