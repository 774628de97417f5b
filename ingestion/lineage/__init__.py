"""OpenLineage: the lineage from files to raw tables to marts.

The library is imported only if its own settings ask for it.
"""

from ingestion import log
from ingestion.config import Settings
from ingestion.observers import Observer

__all__ = ["observers_of"]


def observers_of(settings: Settings) -> list[Observer]:
    """Return the observer that reports a run to OpenLineage, or none if lineage is off.

    Arguments:
        settings: the settings of the run.

    """
    if not settings.lineage.is_wanted:
        return []
    log.hide(settings.lineage.secrets)
    try:
        from ingestion.lineage.reporter import Reporter  # noqa: PLC0415  (the library takes half a second)

        return [Reporter(settings)]
    except Exception as exc:  # noqa: BLE001  (a bad setting of the library must not stop a run)
        log.event(f"no lineage: {type(exc).__name__}: {exc}", level=log.WARNING)
        return []
