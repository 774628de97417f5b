"""The settings of the weekly digest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ingestion.config import mail
from ingestion.config.kinds import FLAG, TEXTS, URLS, choice
from ingestion.config.setting import read_into, secrets_in, setting

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class DigestSettings:
    """The settings of the weekly digest; docs/digest.md explains them.

    Arguments:
        smtp_url: the mail server of the alerts.
        sender: the sender of the alerts.

    """

    weekday: str | None = setting(
        "PIPELINE_DIGEST_WEEKDAY",
        choice(*WEEKDAYS),
        "the day of the week of the [digest](digest.md), in UTC: `monday` to `sunday`; without it, none is sent",
        needs=("PIPELINE_DIGEST_EMAIL_TO", "PIPELINE_DIGEST_SLACK_URL", "PIPELINE_DIGEST_TEAMS_URL"),
        on_schedule=True,
    )
    email_to: tuple[str, ...] = setting(
        "PIPELINE_DIGEST_EMAIL_TO",
        TEXTS,
        "who gets the digest by e-mail, with commas between; `PIPELINE_ALERT_SMTP_URL` names the server",
        default=(),
        needs=("PIPELINE_ALERT_SMTP_URL",),
        on_schedule=True,
    )
    slack_urls: tuple[str, ...] = setting(
        "PIPELINE_DIGEST_SLACK_URL",
        URLS,
        "incoming webhooks of Slack that get the digest",
        default=(),
        is_secret=True,
        on_schedule=True,
    )
    teams_urls: tuple[str, ...] = setting(
        "PIPELINE_DIGEST_TEAMS_URL",
        URLS,
        "webhooks of workflows of Teams that get the digest",
        default=(),
        is_secret=True,
        on_schedule=True,
    )
    attach_report: bool = setting(
        "PIPELINE_DIGEST_ATTACH_REPORT",
        FLAG,
        "`1`: attach the report, which is health data, to the e-mail; `0`: link to it",
        default=False,
        on_schedule=True,
    )
    smtp_url: str | None = field(default=None, repr=False)
    sender: str | None = None

    @property
    def has_recipients(self) -> bool:
        """Whether anybody gets a digest."""
        return bool(self.email_to or self.slack_urls or self.teams_urls)

    @property
    def secrets(self) -> Iterator[str]:
        """All that must not be shown."""
        yield from secrets_in(self)
        yield from mail.SMTP_URL.secrets_in(self.smtp_url)


def read_digest(environ: Mapping[str, str]) -> DigestSettings:
    """Return the settings of the weekly digest.

    Arguments:
        environ: the environment's variables.

    Raises:
        ConfigurationError: a value is invalid, or lacks another that it needs.

    """
    return read_into(DigestSettings, environ, smtp_url=mail.SMTP_URL.read(environ), sender=mail.SENDER.read(environ))
