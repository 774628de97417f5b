"""All settings of the pipeline."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ingestion.config.alerts import AlertSettings, read_alerts
from ingestion.config.database import Database, read_database
from ingestion.config.digest import DigestSettings, read_digest
from ingestion.config.kinds import FLAG, FRESHNESS, PATH, SCHEMA, SECONDS, VERBATIM, Freshness, choice, count
from ingestion.config.setting import read_into, secrets_in, setting
from ingestion.config.telemetry import Lineage, Telemetry, read_lineage, read_telemetry
from ingestion.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Settings:
    """All that the pipeline takes from its environment.

    Arguments:
        database: the server, or None for the embedded one.
        alerts: where to send alerts, and when.
        digest: whom to send a digest, and when.
        telemetry: what OpenTelemetry is to collect.
        lineage: what OpenLineage is to send.

    """

    database: Database | None = None
    data_dir: str | None = setting(
        "PIPELINE_DATA_DIR",
        VERBATIM,
        "the landing zone: a directory, `s3://`, `gs://` or `az://` ([landing-zone.md](landing-zone.md))",
        default_text="`data_lake/` with the manifest, `sample_data/` without",
        on_schedule=True,
    )
    use_manifest: bool = setting(
        "PIPELINE_USE_MANIFEST",
        FLAG,
        "`1`: load the content of each file once; `0`: a run replaces what the tables hold",
        default=False,
    )
    person_in_path: str | None = setting(
        "PIPELINE_PERSON_IN_PATH",
        VERBATIM,
        "the part of a path that names the participant, where no `user_id=LABEL` does: `{person}/**` is the first"
        " folder ([datasets.md](datasets.md#whose-rows-they-are))",
        on_schedule=True,
    )
    schema: str = setting("PIPELINE_SCHEMA", SCHEMA, "the schema of the raw tables", default="raw")
    archive: bool = setting(
        "PIPELINE_ARCHIVE",
        FLAG,
        "`1`: move loaded files into `.archive/` of the landing zone, which must be a directory; `0`: leave them",
        default=False,
    )
    min_age_seconds: float = setting(
        "PIPELINE_MIN_AGE_SECONDS",
        SECONDS,
        "leave files that were written more recently for the next run: they may still grow",
        default=0.0,
    )
    workers: int = setting("PIPELINE_WORKERS", count(), "how many files to load at the same time", default=1)
    erasure_key: str | None = setting(
        "PIPELINE_ERASURE_KEY",
        VERBATIM,
        "the key under which erased participants are remembered, so that no later file brings them back",
        is_secret=True,
        on_schedule=True,
    )
    log_format: Literal["auto", "json", "text"] = setting(
        "PIPELINE_LOG_FORMAT",
        choice("auto", "json", "text"),
        "`text`, `json`, or `auto`: text on a terminal, JSON elsewhere",
        default="auto",
    )
    storage_timeout_seconds: float = setting(
        "PIPELINE_STORAGE_TIMEOUT_SECONDS",
        SECONDS,
        "how long an object store may fail without progress before it counts as down",
        default=60.0,
    )
    db_wait_seconds: float = setting(
        "PIPELINE_DB_WAIT_SECONDS", SECONDS, "how long to wait for a database that is still starting", default=30.0
    )
    on_concurrent_run: Literal["wait", "decline"] = setting(
        "PIPELINE_ON_CONCURRENT_RUN",
        choice("wait", "decline"),
        "`wait` for another run to end, or `decline` with exit code 75",
        default="wait",
    )
    lock_wait_seconds: float = setting(
        "PIPELINE_LOCK_WAIT_SECONDS", SECONDS, "how long to wait for another run", default=600.0
    )
    statement_timeout_seconds: float = setting(
        "PIPELINE_STATEMENT_TIMEOUT_SECONDS",
        SECONDS,
        "the longest that a statement may take; `0` for no limit",
        default=3600.0,
    )
    lock_timeout_seconds: float = setting(
        "PIPELINE_LOCK_TIMEOUT_SECONDS", SECONDS, "the longest that a statement may wait for a lock", default=60.0
    )
    owner_role: str | None = setting(
        "PIPELINE_OWNER_ROLE", VERBATIM, "the role that applies migrations", default_text="the login role"
    )
    loader_role: str | None = setting(
        "PIPELINE_LOADER_ROLE",
        VERBATIM,
        "the role that ingests and writes the records of runs",
        default_text="the login role",
    )
    transformer_role: str | None = setting(
        "PIPELINE_TRANSFORMER_ROLE", VERBATIM, "the role that dbt uses", default_text="the login role"
    )
    dbt_vars: str | None = setting(
        "PIPELINE_DBT_VARS",
        VERBATIM,
        "values for the thresholds of `dbt/dbt_project.yml`, as YAML or JSON: `{min_steps: 200}`",
    )
    dbt_target_dir: Path | None = setting(
        "DBT_TARGET_PATH",
        PATH,
        "where dbt writes its artifacts",
        default_text="inside `dbt/`, or a temporary folder if that is read-only",
    )
    dbt_log_dir: Path | None = setting(
        "DBT_LOG_PATH",
        PATH,
        "where dbt writes its log",
        default_text="inside `dbt/`, or a temporary folder if that is read-only",
    )
    dbt_docs_dir: Path | None = setting(
        "PIPELINE_DBT_DOCS_DIR",
        PATH,
        "where each build leaves dbt's documentation of the models, `index.html`; not written to a temporary folder",
        default_text="`DBT_TARGET_PATH`",
    )
    stale_after: Freshness = setting(
        "PIPELINE_STALE_AFTER_HOURS",
        FRESHNESS,
        "how long a dataset may go without a new file: `36`, or `36, weight=200, sleep=0` by dataset; `0` for no limit",
        default=Freshness(),
        default_text="`0`",
        on_schedule=True,
    )
    termination_log: Path | None = setting(
        "PIPELINE_TERMINATION_LOG", PATH, "a file that gets the error summary of a failed run"
    )
    report_dir: str | None = setting(
        "PIPELINE_REPORT_DIR",
        VERBATIM,
        "where to keep [reports](report.md): a directory, `s3://`, `gs://` or `az://`",
        default_text="`reports/` of the clone",
        on_schedule=True,
    )
    reports_kept: int = setting(
        "PIPELINE_REPORTS_KEPT", count(0), "how many reports to keep; `0` writes none", default=10
    )
    report_user_ids: bool = setting(
        "PIPELINE_REPORT_USER_IDS",
        FLAG,
        "`1`: reports name participants by their user ids; `0`: by pseudonyms",
        default=False,
    )
    alerts: AlertSettings = field(default_factory=AlertSettings)
    digest: DigestSettings = field(default_factory=DigestSettings)
    telemetry: Telemetry = field(default_factory=Telemetry)
    lineage: Lineage = field(default_factory=Lineage)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Arguments:
            environ: the environment's variables.

        Raises:
            ConfigurationError: a value is invalid; the message names the variable.

        """
        return read_into(
            cls,
            environ,
            database=read_database(environ),
            alerts=read_alerts(environ),
            digest=read_digest(environ),
            telemetry=read_telemetry(environ),
            lineage=read_lineage(environ),
        )

    @property
    def secrets(self) -> Iterator[str]:
        """All that must not be shown."""
        yield from secrets_in(self)
        if self.database and self.database.secret:
            yield self.database.secret
        yield from self.alerts.secrets
        yield from self.digest.secrets
        yield from self.telemetry.secrets
        yield from self.lineage.secrets

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
