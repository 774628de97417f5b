"""Who is told of what: the variables PIPELINE_ALERT_*."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ingestion.config.environment import Reader
from ingestion.errors import ConfigurationError

_SECRET_PATH = 12


@dataclass(frozen=True)
class AlertSettings:
    """Who is told of what, and how; docs/alerts.md explains each.

    Arguments:
        name: what alerts call this pipeline.
        link: where a person looks further; each alert ends with it.
        slack_urls: incoming webhooks of Slack.
        teams_urls: webhooks of Teams' workflows.
        webhook_urls: get plain JSON.
        webhook_token: a bearer token for these.
        smtp_url: the mail server: `smtps://`, or `smtp://` with STARTTLS.
        email_to: whom mail goes to.
        email_from: whom it is from; the first of `email_to` where None.
        github_repository: owner/name, for issues.
        github_token: may write issues there.
        github_api_url: of GitHub, or of a GitHub Enterprise server.
        ping_url: of a check, as healthchecks.io has them.
        prometheus_textfile: a file for node_exporter's textfile collector.
        pushgateway_url: of a Prometheus Pushgateway.
        quarantine_rows: so many rejected rows of a file or a run are told; None for no limit.
        quarantine_percent: the same in per cent of the rows read.
        remind_after_hours: a failure that goes on is told again after this time.
        timeout_seconds: how long one request may take.
        attempts: how often one is tried.
        total_seconds: how long all alerts of a run may take together.
        ca_file: certificate authorities that are trusted too.
        state_file: what was told, while the database is away.

    """

    name: str = "wearables-pipeline"
    link: str | None = None
    slack_urls: tuple[str, ...] = field(default=(), repr=False)
    teams_urls: tuple[str, ...] = field(default=(), repr=False)
    webhook_urls: tuple[str, ...] = field(default=(), repr=False)
    webhook_token: str | None = field(default=None, repr=False)
    smtp_url: str | None = field(default=None, repr=False)
    email_to: tuple[str, ...] = ()
    email_from: str | None = None
    github_repository: str | None = None
    github_token: str | None = field(default=None, repr=False)
    github_api_url: str = "https://api.github.com"
    ping_url: str | None = field(default=None, repr=False)
    prometheus_textfile: Path | None = None
    pushgateway_url: str | None = field(default=None, repr=False)
    quarantine_rows: int | None = None
    quarantine_percent: float | None = None
    remind_after_hours: float = 24.0
    timeout_seconds: float = 10.0
    attempts: int = 3
    total_seconds: float = 30.0
    ca_file: Path | None = None
    state_file: Path | None = None

    @property
    def is_on(self) -> bool:
        """Whether anybody is told at all."""
        return bool(self._urls or self.smtp_url or self.github_repository or self.ping_url or self.prometheus_textfile)

    @property
    def secrets(self) -> Iterator[str]:
        """What must not be shown: tokens, passwords, and addresses that are secrets themselves."""
        yield from filter(None, (self.webhook_token, self.github_token))
        for url in filter(None, (*self._urls, self.smtp_url, self.ping_url)):
            parts = urlsplit(url)
            if parts.password:
                yield from (parts.password, unquote(parts.password))
            # a library's message quotes parts of it; a short one is no secret
            yield from (text for text in (url, parts.path, parts.query) if len(text) >= _SECRET_PATH)

    @property
    def _urls(self) -> tuple[str, ...]:
        gateway = (self.pushgateway_url,) if self.pushgateway_url else ()
        return (*self.slack_urls, *self.teams_urls, *self.webhook_urls, *gateway)


def read_alerts(env: Reader) -> AlertSettings:
    """Return what the variables say of alerts.

    Arguments:
        env: the environment's variables.

    Raises:
        ConfigurationError: a value is not of its setting's form, or lacks another that it needs.

    """
    env.needs("PIPELINE_ALERT_SMTP_URL", "PIPELINE_ALERT_EMAIL_TO")
    env.needs("PIPELINE_ALERT_EMAIL_TO", "PIPELINE_ALERT_SMTP_URL")
    env.needs("PIPELINE_ALERT_GITHUB_REPOSITORY", "PIPELINE_ALERT_GITHUB_TOKEN")
    default = AlertSettings
    smtp_url = env.url("PIPELINE_ALERT_SMTP_URL", ("smtps", "smtp"))
    if smtp_url and urlsplit(smtp_url).query == "tls=none" and urlsplit(smtp_url).password:
        raise ConfigurationError(
            "PIPELINE_ALERT_SMTP_URL has a password and tls=none",
            hint="A password is not sent in the clear: take away ?tls=none, or user and password.",
        )
    return AlertSettings(
        name=env.text("PIPELINE_ALERT_NAME") or default.name,
        link=env.url("PIPELINE_ALERT_LINK"),
        slack_urls=env.urls("PIPELINE_ALERT_SLACK_URL"),
        teams_urls=env.urls("PIPELINE_ALERT_TEAMS_URL"),
        webhook_urls=env.urls("PIPELINE_ALERT_WEBHOOK_URL"),
        webhook_token=env.text("PIPELINE_ALERT_WEBHOOK_TOKEN"),
        smtp_url=smtp_url,
        email_to=env.texts("PIPELINE_ALERT_EMAIL_TO"),
        email_from=env.text("PIPELINE_ALERT_EMAIL_FROM"),
        github_repository=env.text("PIPELINE_ALERT_GITHUB_REPOSITORY"),
        github_token=env.text("PIPELINE_ALERT_GITHUB_TOKEN"),
        github_api_url=env.url("PIPELINE_ALERT_GITHUB_API_URL") or default.github_api_url,
        ping_url=env.url("PIPELINE_ALERT_PING_URL"),
        prometheus_textfile=env.path("PIPELINE_ALERT_PROMETHEUS_TEXTFILE"),
        pushgateway_url=env.url("PIPELINE_ALERT_PUSHGATEWAY_URL"),
        quarantine_rows=env.optional_count("PIPELINE_ALERT_QUARANTINE_ROWS"),
        quarantine_percent=env.percent("PIPELINE_ALERT_QUARANTINE_PERCENT"),
        remind_after_hours=env.hours("PIPELINE_ALERT_REMIND_AFTER_HOURS", default.remind_after_hours),
        timeout_seconds=env.seconds("PIPELINE_ALERT_TIMEOUT_SECONDS", default.timeout_seconds),
        attempts=env.count("PIPELINE_ALERT_ATTEMPTS", default.attempts),
        total_seconds=env.seconds("PIPELINE_ALERT_TOTAL_SECONDS", default.total_seconds),
        ca_file=env.file("PIPELINE_ALERT_CA_FILE"),
        state_file=env.path("PIPELINE_ALERT_STATE_FILE"),
    )
