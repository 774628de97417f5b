import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn

from ingestion.alerts.channels.slack import SlackSettings
from ingestion.cli import main
from ingestion.cli.arguments import parse
from ingestion.config import Database, Settings, Signal
from ingestion.errors import ConfigurationError

SECRET = "PLANTED-7f3a"
URL = f"postgresql://ada:{SECRET}@url.example:6543/wearables"
LIBPQ = {"PGHOST": "libpq.example", "PGPORT": "5433", "PGUSER": "ben", "PGPASSWORD": SECRET, "PGDATABASE": "b"}
LEGACY = {"DB_HOST": "db.example", "DB_PORT": "5434", "DB_USER": "cy", "DB_PASSWORD": SECRET, "DB_NAME": "c"}


def database(environ: dict[str, str]) -> Database:
    found = Settings.from_environment(environ).database
    assert found
    return found


@pytest.mark.parametrize(
    ("environ", "described_by", "place"),
    [
        ({"DATABASE_URL": URL, **LIBPQ, **LEGACY}, "DATABASE_URL", "url.example:6543/wearables"),
        ({**LIBPQ, **LEGACY}, "PGHOST", "libpq.example:5433/b"),
        (LEGACY, "DB_HOST", "db.example:5434/c"),
        ({"DATABASE_URL": "", "PGHOST": "", **LEGACY}, "DB_HOST", "db.example:5434/c"),
        ({"DATABASE_URL": URL.replace("postgresql:", "postgres:")}, "DATABASE_URL", "url.example:6543/wearables"),
        (
            {"DATABASE_URL": URL.replace("postgresql:", "postgresql+psycopg2:")},
            "DATABASE_URL",
            "url.example:6543/wearables",
        ),
        ({"DATABASE_URL": "host=dsn.example dbname=d"}, "DATABASE_URL", "dsn.example:5432/d"),
    ],
)
def test_the_first_of_three_names_the_database(environ: dict[str, str], described_by: str, place: str) -> None:
    found = database(environ)
    assert (found.described_by, found.place) == (described_by, place)


@pytest.mark.parametrize(
    "environ", [{}, {"PGUSER": "ada", "PGPASSWORD": SECRET}, {"DB_NAME": "c", "DB_PASSWORD": SECRET}]
)
def test_without_a_host_the_embedded_server_is_used(environ: dict[str, str]) -> None:
    assert Settings.from_environment(environ).database is None


def test_there_is_no_default_password() -> None:
    assert database({"DB_HOST": "db.example"}).secret is None
    assert database({"PGHOST": "db.example"}).secret is None


def test_libpq_fills_what_the_url_leaves_out_and_the_url_wins() -> None:
    found = database({**LIBPQ, "DATABASE_URL": "postgresql://eve@url.example/d"})
    assert found.parameters == {
        "host": "url.example",
        "port": "5433",
        "user": "eve",
        "password": SECRET,
        "dbname": "d",
    }


@given(st.text(st.characters(blacklist_characters="\x00", codec="utf-8"), min_size=1))
def test_any_password_reaches_the_driver_unchanged(password: str) -> None:
    found = database({**LEGACY, "DB_PASSWORD": password})
    assert parse_dsn(found.dsn)["password"] == password == found.secret
    assert found.environment["PGPASSWORD"] == password


@pytest.mark.parametrize("environ", [{"DATABASE_URL": URL}, LIBPQ, LEGACY])
def test_no_representation_shows_a_password(environ: dict[str, str]) -> None:
    settings = Settings.from_environment({**environ, "PIPELINE_ERASURE_KEY": SECRET})
    assert settings.database
    for shown in (
        repr(settings),
        str(settings),
        repr(settings.database),
        settings.database.place,
        settings.database.url,
    ):
        assert SECRET not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", SECRET),
        ("DATABASE_URL", f"postgresql://ada:{SECRET}%@host/x"),
        ("PIPELINE_USE_MANIFEST", SECRET),
        ("PIPELINE_LOG_FORMAT", SECRET),
        ("PIPELINE_ON_CONCURRENT_RUN", SECRET),
        ("PIPELINE_DB_WAIT_SECONDS", SECRET),
        *(("PIPELINE_LOCK_WAIT_SECONDS", value) for value in ("-1", "nan", "inf", "1e999", "1h", " ")),
        ("PIPELINE_STATEMENT_TIMEOUT_SECONDS", SECRET),
        ("PIPELINE_LOCK_TIMEOUT_SECONDS", SECRET),
        *(("PIPELINE_STALE_AFTER_HOURS", value) for value in (SECRET, f"36,{SECRET}=x", "36,48", "sleep=-1")),
        *(("PIPELINE_WORKERS", value) for value in ("0", "-1", "1.5", SECRET)),
        ("PIPELINE_ALERT_SLACK_URL", SECRET),
        ("PIPELINE_ALERT_WEBHOOK_URL", f"https://good.example {SECRET}"),
        ("PIPELINE_ALERT_PING_URL", f"ftp://host/{SECRET}"),
        ("PIPELINE_ALERT_PUSHGATEWAY_URL", f"http://[{SECRET}"),
        ("PIPELINE_ALERT_GITHUB_REPOSITORY", "acme/wearables"),
        ("PIPELINE_ALERT_SMTP_URL", f"smtps://me:{SECRET}@mail.example"),
        ("PIPELINE_ALERT_EMAIL_TO", "ops@example.org"),
        ("PIPELINE_ALERT_CA_FILE", "/nowhere/ca.pem"),
        ("PIPELINE_ALERT_REMIND_AFTER_HOURS", "1d"),
        *(("PIPELINE_ALERT_QUARANTINE_PERCENT", value) for value in ("0", "101", "x")),
        *(("PIPELINE_ALERT_QUARANTINE_ROWS", value) for value in ("0", "x")),
    ],
)
def test_an_invalid_value_is_refused_by_name_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({**LEGACY, name: value})
    error = caught.value
    assert error.exit_code == 78
    assert name in str(error)
    assert error.hint
    for text in (str(error), error.hint, repr(error.__cause__), repr(error.args)):
        assert SECRET not in text


OTHER_SCHEMAS = (
    "ops",
    "Ops",
    "information_schema",
    "pg_catalog",
    "pg_temp_3",
    "PG_x",
    "staging",
    "intermediate",
    "marts",
)


@pytest.mark.parametrize(
    "name", [*OTHER_SCHEMAS, "dbt_test_failures", "x" * 64, "é" * 32, 'a"b', "{{ x }}", "a\nb", "a\\b", "%s"]
)
def test_a_schema_that_is_not_for_raw_tables_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigurationError, match="PIPELINE_SCHEMA is not the name of a schema of your own"):
        Settings.from_environment({"PIPELINE_SCHEMA": name})
    for command in ("ingest", "transform", "status", "ls", "files"):
        assert main([command, "--schema", name]) == 64
        assert "argument --schema: not the name of a schema of your own" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["raw", "public", "backfill", "Back fill", "x" * 63, "it's", "opsis", "études"])
def test_other_schemas_are_accepted(name: str) -> None:
    assert Settings.from_environment({"PIPELINE_SCHEMA": name}).schema == name
    assert parse(["ingest", "--schema", name]).schema == name


def test_a_mail_password_requires_encryption() -> None:
    mail = {"PIPELINE_ALERT_EMAIL_TO": "ops@example.org", "PIPELINE_ALERT_SMTP_URL": "smtp://relay?tls=none"}
    assert Settings.from_environment(mail).alerts.is_on
    with pytest.raises(ConfigurationError, match="tls=none"):
        Settings.from_environment({**mail, "PIPELINE_ALERT_SMTP_URL": f"smtp://me:{SECRET}@relay?tls=none"})


def test_the_urls_of_alerts_are_secrets() -> None:
    urls = {
        "PIPELINE_ALERT_SLACK_URL": f"https://one.example/hooks/{SECRET}-1 https://two.example/hooks/{SECRET}-2",
        "PIPELINE_ALERT_PING_URL": f"https://hc.example/{SECRET}-3",
        "PIPELINE_ALERT_PUSHGATEWAY_URL": f"https://me:{SECRET}%2F4@push.example",
    }
    settings = Settings.from_environment(urls)
    assert SECRET not in repr(settings)
    assert [len(channel.urls) for channel in settings.alerts.channels if isinstance(channel, SlackSettings)] == [2]
    secrets = set(settings.alerts.secrets)
    assert {f"/hooks/{SECRET}-1", f"/hooks/{SECRET}-2", f"/{SECRET}-3", f"{SECRET}/4"} <= secrets
    # a short part of a URL is in many texts
    assert not {secret for secret in secrets if len(secret) < 6}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", True),
        ("true", True),
        ("Yes", True),
        (" ON ", True),
        ("0", False),
        ("no", False),
        ("off", False),
        ("", False),
    ],
)
def test_a_flag_has_several_spellings(value: str, *, expected: bool) -> None:
    assert Settings.from_environment({"PIPELINE_USE_MANIFEST": value}).use_manifest is expected


@pytest.mark.parametrize(
    ("text", "sleep", "weight"),
    [
        ("", None, None),
        ("0", None, None),
        ("36", 36, 36),
        ("36, weight=200.5", 36, 200.5),
        ("weight=200,sleep=0", None, 200),
        ("36,sleep=0", None, 36),
    ],
)
def test_each_dataset_has_its_limit_of_freshness(text: str, sleep: float | None, weight: float | None) -> None:
    limits = Settings.from_environment({"PIPELINE_STALE_AFTER_HOURS": text}).stale_after
    assert (limits.hours_of("sleep"), limits.hours_of("weight")) == (sleep, weight)


def test_an_empty_variable_counts_as_unset() -> None:
    names = [
        *("DATABASE_URL", "PGHOST", "DB_HOST", "DBT_TARGET_PATH", "DBT_LOG_PATH"),
        *(
            f"PIPELINE_{name}"
            for name in (
                *("DATA_DIR", "USE_MANIFEST", "SCHEMA", "WORKERS", "ERASURE_KEY", "LOG_FORMAT", "DB_WAIT_SECONDS"),
                *("ON_CONCURRENT_RUN", "LOCK_WAIT_SECONDS", "STATEMENT_TIMEOUT_SECONDS", "LOCK_TIMEOUT_SECONDS"),
                *("OWNER_ROLE", "LOADER_ROLE", "TRANSFORMER_ROLE", "DBT_VARS", "TERMINATION_LOG"),
            )
        ),
    ]
    assert Settings.from_environment(dict.fromkeys(names, "")) == Settings.from_environment({}) == Settings()


HTTP = "http/protobuf"


@pytest.mark.parametrize(
    ("environ", "traces", "metrics"),
    [
        ({}, Signal(), Signal()),
        ({"OTEL_SERVICE_NAME": "mine", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"}, Signal(), Signal()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL}, Signal(("otlp",)), Signal(("otlp",))),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": URL}, Signal(("otlp",)), Signal()),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": URL}, Signal(), Signal(("otlp",))),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_TRACES_EXPORTER": "none"}, Signal(), Signal(("otlp",))),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, Signal(("otlp", "console")), Signal()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": "True"}, Signal(), Signal()),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": URL,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": HTTP,
            },
            Signal(("otlp",), "grpc"),
            Signal(("otlp",), HTTP),
        ),
    ],
)
def test_telemetry_is_off_unless_a_standard_variable_turns_it_on(
    environ: dict[str, str], traces: Signal, metrics: Signal
) -> None:
    telemetry = Settings.from_environment(environ).telemetry
    assert (telemetry.traces.exporters, telemetry.metrics.exporters) == (traces.exporters, metrics.exporters)
    if traces.exporters:
        assert (telemetry.traces, telemetry.metrics) == (traces, metrics)
    assert telemetry.is_wanted == bool(traces.exporters or metrics.exporters)


def test_the_tokens_of_a_collector_are_secrets_and_a_tenant_number_is_not() -> None:
    headers = f"x-tenant=1,authorization=Bearer%20{SECRET},x-key={SECRET}2"
    telemetry = Settings.from_environment({"OTEL_EXPORTER_OTLP_TRACES_HEADERS": headers}).telemetry
    assert set(telemetry.secrets) == {f"Bearer%20{SECRET}", f"Bearer {SECRET}", SECRET, f"{SECRET}2"}
    assert SECRET not in repr(telemetry)


def test_the_landing_zone_depends_on_the_mode_unless_it_is_set() -> None:
    assert Settings.from_environment({}).landing_zone.endswith("/sample_data")
    assert Settings.from_environment({"PIPELINE_USE_MANIFEST": "1"}).landing_zone.endswith("/data_lake")
    assert Settings.from_environment({"PIPELINE_USE_MANIFEST": "1", "PIPELINE_DATA_DIR": "x"}).landing_zone == "x"


def test_settings_are_frozen() -> None:
    settings = Settings.from_environment({"DATABASE_URL": URL})
    assert settings.database
    for owner, name in ((settings, "schema"), (settings, "database"), (settings.database, "parameters")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(owner, name, None)


def test_a_later_change_of_the_environment_changes_nothing() -> None:
    environ = dict(LEGACY)
    settings = Settings.from_environment(environ)
    environ["DB_HOST"] = "elsewhere.example"
    assert settings.database
    assert settings.database.parameters["host"] == "db.example"


@pytest.mark.parametrize(
    ("environ", "is_wanted"),
    [
        ({}, False),
        ({"OPENLINEAGE_NAMESPACE": "x", "OPENLINEAGE_API_KEY": SECRET}, False),
        ({"OPENLINEAGE_URL": "http://x"}, True),
        ({"OPENLINEAGE_CONFIG": "x.yml"}, True),
        ({"OPENLINEAGE__TRANSPORT__TYPE": "file"}, True),
        ({"OPENLINEAGE__TRANSPORT__TYPE": ""}, False),
        ({"OPENLINEAGE_URL": "http://x", "OPENLINEAGE_DISABLED": " TRUE"}, False),
    ],
)
def test_lineage_is_off_without_a_destination(environ: dict[str, str], *, is_wanted: bool) -> None:
    assert Settings.from_environment(environ).lineage.is_wanted is is_wanted


def test_lineage_is_on_if_its_file_exists(tmp_path: Path) -> None:
    (tmp_path / ".openlineage").mkdir()
    environ = {"HOME": str(tmp_path), "OPENLINEAGE_API_KEY": SECRET}
    assert not Settings.from_environment(environ).lineage.is_wanted
    (tmp_path / ".openlineage" / "openlineage.yml").touch()
    lineage = Settings.from_environment(environ).lineage
    assert lineage.is_wanted
    assert lineage.secrets == (SECRET,)
    assert SECRET not in repr(lineage)
