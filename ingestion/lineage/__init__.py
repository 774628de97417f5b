"""OpenLineage: which files became which tables, and which tables became which, where its own settings ask for it.

Without them none of it is imported.
"""

from ingestion import log
from ingestion.config import Settings
from ingestion.observers import Observer

__all__ = ["observers_of"]


def observers_of(settings: Settings) -> list[Observer]:
    """Return who tells OpenLineage of a run: nobody, unless it is wanted.

    Arguments:
        settings: of the run.

    """
    if not settings.lineage.is_wanted:
        return []
    log.hide(settings.lineage.secrets)
    try:
        from ingestion.lineage.reporter import Reporter  # noqa: PLC0415  (the library takes half a second)

        return [Reporter(settings)]
    except Exception as exc:  # noqa: BLE001  (what the library cannot read is no reason not to load files)
        log.event(f"no lineage: {type(exc).__name__}: {exc}", level=log.WARNING)
        return []
