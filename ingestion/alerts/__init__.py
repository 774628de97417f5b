"""Somebody is told when a run fails, dies or works again, when data stops coming, and when too much of it is rejected.

Nothing here changes a run: what cannot be sent is logged. A new channel is one class, and its place in
`channels.CHANNELS`.
"""

from ingestion.alerts.incident import Incident
from ingestion.config import Settings
from ingestion.observers import Observer

__all__ = ["Incident", "alerts_for", "open_incidents", "send_test"]


def alerts_for(settings: Settings) -> list[Observer]:
    """Return who sends a run's alerts: nobody where no channel is configured.

    Arguments:
        settings: of the run.

    """
    if not settings.alerts.is_on:
        return []
    from ingestion.alerts.observer import Alerts  # noqa: PLC0415  (HTTP and its kind, which a run without need not load)

    return [Alerts(settings)]


def send_test(settings: Settings) -> list[tuple[str, str | None]]:
    """Send a test by each channel.

    Arguments:
        settings: with the channels.

    Returns:
        For each channel its name, and why it failed or None.

    """
    from ingestion.alerts.observer import send_test  # noqa: PLC0415

    return send_test(settings.alerts)


def open_incidents(settings: Settings) -> list[Incident]:
    """Return what is wrong at present.

    Arguments:
        settings: with a database.

    """
    from ingestion.alerts.ledger import open_incidents  # noqa: PLC0415

    return open_incidents(settings)
