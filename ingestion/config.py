"""Settings, read once from the environment at the edge and frozen from there on."""

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote, unquote, urlsplit

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from ingestion.errors import ConfigurationError

_T = TypeVar("_T", bound=str)

ROOT = Path(__file__).resolve().parent.parent

_LEGACY = {
    "host": "DB_HOST",
    "port": "DB_PORT",
    "dbname": "DB_NAME",
    "user": "DB_USER",
    "password": "DB_PASSWORD",
}
_LIBPQ = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "sslmode": "PGSSLMODE",
}
_LIBPQ_CHOOSES_A_SERVER = ("PGHOST", "PGHOSTADDR", "PGSERVICE")
_SECRET_PATH = 12
_LEAST_SECRET = 8
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


@dataclass(frozen=True)
class Database:
    """Where the database is.

    Arguments:
        parameters: libpq's connection parameters. What is absent here, libpq takes from its own environment
            (PGSSLROOTCERT, PGPASSFILE and the others).
        described_by: the setting it came from, for messages.

    """

    parameters: Mapping[str, str] = field(repr=False)
    described_by: str

    @property
    def dsn(self) -> str:
        """The libpq connection string, password included."""
        return str(make_dsn("", **self.parameters))

    @property
    def secret(self) -> str | None:
        """The password, for the redaction of logs."""
        return self.parameters.get("password")

    @property
    def place(self) -> str:
        """Host, port and name, fit to be shown."""
        p = self.parameters
        host, name = p.get("host", "localhost"), p.get("dbname", p.get("user", ""))
        return f"{name} at {host}" if host.startswith("/") else f"{host}:{p.get('port', '5432')}/{name}"

    @property
    def environment(self) -> dict[str, str]:
        """The same place as libpq's variables, for psql and for dbt's profile."""
        return {name: self.parameters[key] for key, name in _LIBPQ.items() if key in self.parameters}

    @property
    def url(self) -> str:
        """The same place as a URL without its password, fit to be shown."""
        p = self.parameters
        user = quote(p.get("user", ""), safe="")
        return f"postgresql://{user}@{quote(p.get('host', ''), safe='')}:{p.get('port', '5432')}/{p.get('dbname', '')}"


@dataclass(frozen=True)
class Freshness:
    """How long a dataset may be without a new file.

    Arguments:
        hours: for any dataset; 0 for ever.
        by_source: for some by name, which are expected even where nothing of them has ever come.

    """

    hours: float = 0.0
    by_source: Mapping[str, float] = field(default_factory=dict)

    def hours_of(self, source: str) -> float | None:
        """Return the hours that a dataset may take, or None where there is no limit."""
        return self.by_source.get(source, self.hours) or None


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


@dataclass(frozen=True)
class Signal:
    """One of OpenTelemetry's signals.

    Arguments:
        exporters: the exporters that are wanted, as OTEL_TRACES_EXPORTER names them; none turns it off.
        protocol: for the exporter `otlp`.

    """

    exporters: tuple[str, ...] = ()
    protocol: str = "http/protobuf"


@dataclass(frozen=True)
class Telemetry:
    """What is wanted of OpenTelemetry. Where it goes and how, its own library reads from its own variables.

    Arguments:
        traces: of the run, its steps, files and dbt's nodes.
        metrics: of what went through.
        parent: the trace that the run is a part of, as `traceparent` and `tracestate` of W3C.
        secrets: what must not be shown.

    """

    traces: Signal = Signal()
    metrics: Signal = Signal()
    parent: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.traces.exporters or self.metrics.exporters)


@dataclass(frozen=True)
class Lineage:
    """What is wanted of OpenLineage. Where it goes and how, its own library reads from its own variables and its file.

    Arguments:
        is_wanted: whether any of them says where.
        namespace: of the jobs.
        parent: the run that this one is a part of, as `namespace/name/run id`.
        secrets: what must not be shown.

    """

    is_wanted: bool = False
    namespace: str = "default"
    parent: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Settings:
    """All that the pipeline takes from its environment; the README's table explains each.

    Arguments:
        database: None where no server is configured; the embedded one serves then.
        data_dir: the landing zone, or None for the mode's default.
        use_manifest: consult the manifest: load each file once. Otherwise a run replaces the tables' rows.
        schema: the schema of the raw tables.
        archive: move files that are loaded into `.archive/` of the landing zone; otherwise they are left.
        min_age_seconds: files written more lately may still be growing, and are left for the next run.
        workers: how many files are loaded at the same time.
        erasure_key: the secret under which erased persons are remembered, so that they do not come back.
        log_format: `auto` writes readable lines to a terminal and JSON to anything else.
        storage_timeout_seconds: how long an object store may fail, without progress, before it counts as down.
        db_wait_seconds: how long to wait for a database that is still starting.
        on_concurrent_run: what a run does when another is at work.
        lock_wait_seconds: how long it waits for it.
        statement_timeout_seconds: the longest a statement may take; 0 for no limit.
        lock_timeout_seconds: the longest a statement may wait for a lock.
        owner_role: the role that a migration runs as; None for the login role.
        loader_role: the role that ingest and the run records use; None for the login role.
        transformer_role: the role that dbt uses; None for the login role.
        dbt_vars: values for the cut-offs of dbt/dbt_project.yml, as a YAML or JSON mapping.
        dbt_target_dir: where dbt writes what it compiles.
        dbt_log_dir: where dbt writes its own log.
        dbt_docs_dir: where its documentation goes; None for dbt_target_dir.
        stale_after: how long a dataset may be without a new file.
        termination_log: a file that gets the error summary of a failed run, as Kubernetes wants it.
        report_dir: where reports are kept: a directory or a place in an object store; None for reports/ of the clone.
        reports_kept: how many; 0 writes none.
        report_user_ids: call people in reports by their user ids.
        alerts: who is told of what.
        telemetry: what is wanted of OpenTelemetry.
        lineage: what is wanted of OpenLineage.

    """

    database: Database | None = None
    data_dir: str | None = None
    use_manifest: bool = False
    schema: str = "raw"
    archive: bool = False
    min_age_seconds: float = 0.0
    workers: int = 1
    erasure_key: str | None = field(default=None, repr=False)
    log_format: Literal["auto", "json", "text"] = "auto"
    storage_timeout_seconds: float = 60.0
    db_wait_seconds: float = 30.0
    on_concurrent_run: Literal["wait", "decline"] = "wait"
    lock_wait_seconds: float = 600.0
    statement_timeout_seconds: float = 3600.0
    lock_timeout_seconds: float = 60.0
    owner_role: str | None = None
    loader_role: str | None = None
    transformer_role: str | None = None
    dbt_vars: str | None = None
    dbt_target_dir: Path | None = None
    dbt_log_dir: Path | None = None
    dbt_docs_dir: Path | None = None
    stale_after: Freshness = field(default_factory=Freshness)
    termination_log: Path | None = None
    report_dir: str | None = None
    reports_kept: int = 10
    report_user_ids: bool = False
    alerts: AlertSettings = field(default_factory=AlertSettings)
    telemetry: Telemetry = Telemetry()
    lineage: Lineage = Lineage()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Arguments:
            environ: the environment's variables.

        Raises:
            ConfigurationError: a value is not of its setting's form; the message names the variable.

        """
        env = _Reader(environ)
        return cls(
            database=_database(environ),
            data_dir=environ.get("PIPELINE_DATA_DIR") or None,
            use_manifest=env.flag("PIPELINE_USE_MANIFEST"),
            schema=environ.get("PIPELINE_SCHEMA") or cls.schema,
            archive=env.flag("PIPELINE_ARCHIVE"),
            min_age_seconds=env.seconds("PIPELINE_MIN_AGE_SECONDS", cls.min_age_seconds),
            workers=env.count("PIPELINE_WORKERS", cls.workers),
            erasure_key=environ.get("PIPELINE_ERASURE_KEY") or None,
            log_format=env.choice("PIPELINE_LOG_FORMAT", "auto", "json", "text"),
            storage_timeout_seconds=env.seconds("PIPELINE_STORAGE_TIMEOUT_SECONDS", cls.storage_timeout_seconds),
            db_wait_seconds=env.seconds("PIPELINE_DB_WAIT_SECONDS", cls.db_wait_seconds),
            on_concurrent_run=env.choice("PIPELINE_ON_CONCURRENT_RUN", "wait", "decline"),
            lock_wait_seconds=env.seconds("PIPELINE_LOCK_WAIT_SECONDS", cls.lock_wait_seconds),
            statement_timeout_seconds=env.seconds("PIPELINE_STATEMENT_TIMEOUT_SECONDS", cls.statement_timeout_seconds),
            lock_timeout_seconds=env.seconds("PIPELINE_LOCK_TIMEOUT_SECONDS", cls.lock_timeout_seconds),
            owner_role=environ.get("PIPELINE_OWNER_ROLE") or None,
            loader_role=environ.get("PIPELINE_LOADER_ROLE") or None,
            transformer_role=environ.get("PIPELINE_TRANSFORMER_ROLE") or None,
            dbt_vars=environ.get("PIPELINE_DBT_VARS") or None,
            dbt_target_dir=env.path("DBT_TARGET_PATH"),
            dbt_log_dir=env.path("DBT_LOG_PATH"),
            dbt_docs_dir=env.path("PIPELINE_DBT_DOCS_DIR"),
            stale_after=env.freshness("PIPELINE_STALE_AFTER_HOURS"),
            termination_log=env.path("PIPELINE_TERMINATION_LOG"),
            report_dir=environ.get("PIPELINE_REPORT_DIR") or None,
            reports_kept=env.count("PIPELINE_REPORTS_KEPT", cls.reports_kept, least=0),
            report_user_ids=env.flag("PIPELINE_REPORT_USER_IDS"),
            alerts=_alerts(env),
            telemetry=_telemetry(environ),
            lineage=_lineage(environ),
        )

    @property
    def known_database(self) -> Database:
        """The database.

        Raises:
            ConfigurationError: none is configured.

        """
        if self.database is None:
            raise ConfigurationError(
                "no database is configured",
                hint="Set DATABASE_URL, or PGHOST and its family,"
                " or DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD.",
            )
        return self.database

    @property
    def landing_zone(self) -> str:
        """What to ingest: as set, else data_lake/ with the manifest and sample_data/ without it."""
        return self.data_dir or str(ROOT / ("data_lake" if self.use_manifest else "sample_data"))

    @property
    def reports(self) -> str:
        """Where reports are kept: as set, else reports/ of the clone."""
        return self.report_dir or str(ROOT / "reports")


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def _refuse(self, name: str, wanted: str) -> ConfigurationError:
        return ConfigurationError(
            f"{name} is not {wanted}", hint=f"Set {name} to {wanted}, or unset it for the default."
        )

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(filter(None, (text.strip() for text in self._environ.get(name, "").split(","))))

    def path(self, name: str) -> Path | None:
        value = self._environ.get(name)
        return Path(value) if value else None

    def file(self, name: str) -> Path | None:
        path = self.path(name)
        if path and not path.is_file():
            raise self._refuse(name, "a file that can be read")
        return path

    def url(self, name: str, schemes: tuple[str, ...] = ("https", "http")) -> str | None:
        url = self.text(name)
        if url:
            self._check(name, url, schemes)
        return url

    def urls(self, name: str) -> tuple[str, ...]:
        # separated by spaces: a comma may be part of one
        urls = tuple(self._environ.get(name, "").split())
        for url in urls:
            self._check(name, url, ("https", "http"))
        return urls

    def _check(self, name: str, url: str, schemes: tuple[str, ...]) -> None:
        try:
            parts = urlsplit(url)
            is_good = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            is_good = False
        if not is_good:
            raise self._refuse(name, _urls_of(schemes))

    def flag(self, name: str) -> bool:
        value = self._environ.get(name, "").strip().lower()
        if value not in _TRUE | _FALSE:
            raise self._refuse(name, "1 or 0")
        return value in _TRUE

    def seconds(self, name: str, default: float) -> float:
        text = self._environ.get(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise self._refuse(name, "a number of seconds of 0 or more")
        return value

    def freshness(self, name: str) -> Freshness:
        wanted = "hours, as 36, or as 36, weight=200, sleep=0"
        hours: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in self._environ.get(name, "").split(","))):
            source, _, text = part.rpartition("=")
            if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text.strip()) or source.strip() in hours:
                raise self._refuse(name, wanted)
            hours[source.strip()] = float(text)
        return Freshness(hours.pop("", 0.0), hours)

    def percent(self, name: str) -> float | None:
        if not self.text(name):
            return None
        try:
            value = float(self._environ[name])
        except ValueError:
            value = math.nan
        if not 0 < value <= 100:  # noqa: PLR2004
            raise self._refuse(name, "a number above 0 and up to 100")
        return value

    def optional_count(self, name: str) -> int | None:
        return self.count(name, 1) if self.text(name) else None

    def hours(self, name: str, default: float) -> float:
        try:
            return self.seconds(name, default)
        except ConfigurationError:
            raise self._refuse(name, "a number of hours of 0 or more") from None

    def needs(self, name: str, *others: str) -> None:
        missing = [other for other in others if not self.text(other)]
        if self.text(name) and missing:
            raise ConfigurationError(
                f"{name} is set, and {' and '.join(missing)} not", hint=f"Set {missing[0]} too, or unset {name}."
            )

    def count(self, name: str, default: int, *, least: int = 1) -> int:
        text = self._environ.get(name) or str(default)
        if not text.isdecimal() or int(text) < least:
            raise self._refuse(name, f"a whole number of {least} or more")
        return int(text)

    def choice(self, name: str, default: _T, *others: _T) -> _T:
        value = (self._environ.get(name) or default).strip().lower()
        for option in (default, *others):
            if value == option:
                return option
        raise self._refuse(name, " or ".join((default, *others)))


def _urls_of(schemes: tuple[str, ...]) -> str:
    return "a URL of the form " + " or ".join(f"{scheme}://host" for scheme in schemes)


def _alerts(env: _Reader) -> AlertSettings:
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


def _telemetry(environ: Mapping[str, str]) -> Telemetry:
    # unlike our own settings a wrong value turns nothing red: a platform may set these for everything that it runs
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Telemetry()
    return Telemetry(
        traces=_signal(
            environ, "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
        ),
        metrics=_signal(
            environ,
            "OTEL_METRICS_EXPORTER",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        ),
        parent={name.lower(): environ[name] for name in ("TRACEPARENT", "TRACESTATE") if environ.get(name)},
        secrets=tuple(
            secret
            for name in (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
            )
            for header in environ.get(name, "").split(",")
            # as it stands there, as it is sent, and what follows `Bearer`
            for value in (header.partition("=")[2].strip(),)
            for secret in (value, unquote(value), *unquote(value).split(" ")[1:])
            # x-tenant=1 is no secret, and 1 is a part of much that must be read
            if len(secret) >= _LEAST_SECRET
        ),
    )


def _signal(environ: Mapping[str, str], exporter: str, endpoint: str, protocol: str) -> Signal:
    has_endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get(endpoint)
    names = (environ.get(exporter) or ("otlp" if has_endpoint else "none")).split(",")
    return Signal(
        tuple(name for each in names if (name := each.strip()) not in {"", "none"}),
        environ.get(protocol) or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or Signal.protocol,
    )


def _lineage(environ: Mapping[str, str]) -> Lineage:
    if environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return Lineage()
    # where the library looks for it
    files = [Path("openlineage.yml"), Path(environ.get("HOME", "/"), ".openlineage", "openlineage.yml")]
    is_wanted = any(
        value and (name in {"OPENLINEAGE_URL", "OPENLINEAGE_CONFIG"} or name.startswith("OPENLINEAGE__TRANSPORT__"))
        for name, value in environ.items()
    )
    return Lineage(
        is_wanted=is_wanted or any(file.is_file() for file in files),
        namespace=environ.get("OPENLINEAGE_NAMESPACE") or Lineage.namespace,
        parent=environ.get("OPENLINEAGE_PARENT_ID") or None,
        secrets=tuple(key for key in (environ.get("OPENLINEAGE_API_KEY"),) if key),
    )


def _database(environ: Mapping[str, str]) -> Database | None:
    url = environ.get("DATABASE_URL")
    if url:
        try:
            parameters = parse_dsn(url.replace("postgresql+psycopg2://", "postgresql://", 1))
        except psycopg2.ProgrammingError:
            raise ConfigurationError(
                "DATABASE_URL is not a PostgreSQL URL",
                hint="Write it as postgresql://user:password@host:5432/database, special characters percent-encoded.",
            ) from None
        return Database({**_from(environ, _LIBPQ), **parameters}, "DATABASE_URL")
    if any(environ.get(name) for name in _LIBPQ_CHOOSES_A_SERVER):
        return Database(_from(environ, _LIBPQ), "PGHOST")
    if environ.get("DB_HOST"):
        return Database(_from(environ, _LEGACY), "DB_HOST")
    return None


def _from(environ: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {key: environ[name] for key, name in names.items() if environ.get(name)}


@contextmanager
def exported(variables: Mapping[str, str]) -> Iterator[None]:
    """Put variables into the process's environment, for a library that takes its settings from nowhere else.

    Arguments:
        variables: there until the block ends.

    """
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
