"""The weekly digest: whom to call, what has changed since the last one, and what is wrong with the data.

It is for those who work with participants, and not for the operator of the pipeline. It needs no channel of alerts.
"""

from datetime import UTC, datetime

from ingestion.config import Settings
from ingestion.errors import ConfigurationError
from ingestion.observers import Observer

__all__ = ["digest_for", "preview", "send_now", "send_test"]

# the name of each channel, and why it failed or None
Outcomes = list[tuple[str, str | None]]


def digest_for(settings: Settings) -> list[Observer]:
    """Return the observer that sends the digest; none if the settings ask for none.

    Arguments:
        settings: the settings of the run.

    """
    if not (settings.digest.weekday and settings.digest.has_recipients):
        return []
    # a run without a digest does not load the libraries of the channels
    from ingestion.digest.observer import Digest  # noqa: PLC0415

    return [Digest(settings)]


def preview(settings: Settings) -> str:
    """Return the digest as the e-mail would have it now, as text.

    Arguments:
        settings: the settings, with a database.

    Raises:
        PipelineError: the marts have no follow-up list.

    """
    from ingestion.digest.sending import preview  # noqa: PLC0415

    return preview(settings, datetime.now(UTC))


def send_now(settings: Settings) -> Outcomes:
    """Send the digest by each channel, whatever the day is. It counts as that of this week.

    Arguments:
        settings: the settings, with a database.

    Raises:
        ConfigurationError: nobody is to get it.
        PipelineError: the marts have no follow-up list.

    """
    _check_recipients(settings)
    from ingestion.digest.sending import send  # noqa: PLC0415
    from ingestion.digest.weeks import week_of  # noqa: PLC0415

    now = datetime.now(UTC)
    return send(settings, week_of(settings.digest.weekday, now.date()), None, now, force=True)


def send_test(settings: Settings) -> Outcomes:
    """Send a test, which has no data, by each channel.

    Arguments:
        settings: the channels.

    Raises:
        ConfigurationError: nobody is to get it.

    """
    _check_recipients(settings)
    from ingestion.digest.sending import send_test  # noqa: PLC0415

    return send_test(settings)


def _check_recipients(settings: Settings) -> None:
    if not settings.digest.has_recipients:
        raise ConfigurationError(
            "nobody is to get the digest",
            hint="Set PIPELINE_DIGEST_EMAIL_TO, PIPELINE_DIGEST_SLACK_URL or PIPELINE_DIGEST_TEAMS_URL.",
        )
