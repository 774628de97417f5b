"""Alerts: messages when a run fails, dies or recovers, when data stops arriving, and when many rows are rejected.

No alert changes a run: a message that cannot be sent is logged. A channel is one module in channels/ and one line in
its registry.
"""

from ingestion.alerts.incidents import Incident, open_incidents
from ingestion.config import Settings
from ingestion.observers import Observer

__all__ = ["Incident", "alerts_for", "open_incidents", "send_test"]


def alerts_for(settings: Settings) -> list[Observer]:
    """Return the observer that sends a run's alerts; none if no channel is configured.

    Arguments:
        settings: the settings of the run.

    """
    if not settings.alerts.is_on:
        return []
    # a run without alerts does not load the libraries of the channels
    from ingestion.alerts.observer import Alerts  # noqa: PLC0415

    return [Alerts(settings)]


def send_test(settings: Settings) -> list[tuple[str, str | None]]:
    """Send a test by each channel.

    Arguments:
        settings: the channels.

    Returns:
        The name of each channel, and why it failed or None.

    """
    from ingestion.alerts.observer import send_test  # noqa: PLC0415

    return send_test(settings.alerts)
