"""All settings together."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ingestion.config.alerts import AlertSettings, read_alerts
from ingestion.config.database import Database, read_database
from ingestion.config.environment import Freshness, Reader
from ingestion.config.telemetry import Lineage, Telemetry, read_lineage, read_telemetry
from ingestion.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent.parent


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
    telemetry: Telemetry = field(default_factory=Telemetry)
    lineage: Lineage = field(default_factory=Lineage)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Arguments:
            environ: the environment's variables.

        Raises:
            ConfigurationError: a value is not of its setting's form; the message names the variable.

        """
        env = Reader(environ)
        return cls(
            database=read_database(environ),
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
            alerts=read_alerts(env),
            telemetry=read_telemetry(environ),
            lineage=read_lineage(environ),
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
