"""The compose files and a production run as docs/compose.md describes it."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.container.engine import CONFINED, REPOSITORY, Pipeline, Result, command, docker

pytestmark = pytest.mark.container


@dataclass(frozen=True)
class Compose:
    """Docker Compose with one file and a project of the test's own."""

    file: str
    project: str
    environment: dict[str, str]

    def __call__(self, *words: str, **environment: str) -> Result:
        return command(
            *("docker", "compose", "--file", self.file, "--project-name", self.project, *words),
            environment={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **self.environment, **environment},
            timeout=300,
        )

    def configuration(self, **environment: str) -> dict[str, Any]:
        result = self("--profile", "local-database", "config", "--format", "json", **environment)
        assert result.returncode == 0, result.output
        configuration: dict[str, Any] = json.loads(result.stdout)
        return configuration


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    result = command(str(REPOSITORY / "scripts/make-secrets.sh"), str(folder))
    assert result.returncode == 0, result.output
    return folder


@pytest.fixture(scope="module")
def production(secrets: Path, image: str) -> Iterator[Compose]:
    environment = {
        "PIPELINE_IMAGE": image,
        "SECRETS_DIR": str(secrets),
        "DATA_LAKE": str(REPOSITORY / "sample_data"),
    }
    compose = Compose("compose.prod.yaml", f"wearables-test-prod-{os.getpid()}", environment)
    yield compose
    compose("--profile", "local-database", "down", "--volumes", "--timeout", "5")


@pytest.fixture
def development(image: str) -> Iterator[Compose]:
    compose = Compose(
        "compose.yaml",
        f"wearables-test-dev-{os.getpid()}",
        {"PIPELINE_IMAGE": image, "PGPORT_ON_HOST": "0"},
    )
    yield compose
    compose("down", "--volumes", "--timeout", "5")


def query(compose: Compose, statement: str, user: str = "postgres") -> str:
    result = compose(
        *("exec", "-T", "postgres", "psql", "-XAtq", "--username", user, "--dbname", "wearables"),
        *("--command", statement),
    )
    assert result.returncode == 0, result.output
    return result.stdout.strip()


class TestProduction:
    def test_a_second_run_loads_nothing(self, production: Compose, secrets: Path) -> None:
        loaded = "select count(*), max(_loaded_at) from raw.daily_activity"
        first = production("run", "--rm", "pipeline")
        assert first.returncode == 0, first.output
        before = query(production, loaded)
        assert int(before.split("|")[0]) > 3000
        second = production("run", "--rm", "pipeline")
        assert second.returncode == 0, second.output
        assert query(production, loaded) == before
        assert query(production, "select status, command from ops.pipeline_runs") == "success|run\nsuccess|run"
        assert query(production, "select count(*) > 0 from marts.fct_user_status", user="reader") == "t"
        report = production("run", "--rm", "--no-deps", "pipeline", "head", "--bytes=15", "/reports/latest.html")
        assert report.stdout == "<!doctype html>", report.output
        steps = "select step, status from ops.pipeline_steps where step = 'report' order by started_at"
        assert query(production, steps) == "report|success\nreport|skipped"
        for secret in secrets.iterdir():
            assert secret.read_text().strip() not in first.output + second.output

    def test_dbt_uses_the_project_that_the_image_contains_parsed(self, production: Compose, image: str) -> None:
        """dbt compares the profile and the variables, so this holds for the settings of compose.prod.yaml."""
        script = """
import json
from uuid import uuid4
from dbt.cli.main import dbtRunner
from ingestion.config import Settings
from ingestion.transform import inputs
from ingestion.transform.invocation import environment, workspace
settings, events = Settings.from_environment(), []
with workspace(settings) as (target, logs, _), environment(settings, uuid4()):
    arguments = ["--vars", json.dumps(inputs.vars_of(settings)), "--target-path", str(target), "--log-path", str(logs)]
    arguments += ["--project-dir", "dbt", "--profiles-dir", "dbt"]
    outcome = dbtRunner(callbacks=[lambda event: events.append(event.info.name)]).invoke(["-q", "parse", *arguments])
print("parsed", outcome.success, "anew", "UnableToPartialParse" in events)
"""
        environment = {**production.configuration()["services"]["pipeline"]["environment"], "PGPASSWORD": "x"}
        words = ["--rm", "--network=none", *CONFINED, *(f"--env={name}={value}" for name, value in environment.items())]
        warm = docker("run", *words, image, "python", "-c", script)
        assert warm.splitlines()[-1] == "parsed True anew False"
        cold = docker("run", *words, "--env=PGHOST=another", image, "python", "-c", script)
        assert cold.splitlines()[-1] == "parsed True anew True", "other settings must cause a new parse"

    def test_status_runs_too(self, production: Compose) -> None:
        result = production("run", "--rm", "pipeline", "status", "--json")
        assert result.returncode == 0, result.output
        assert json.loads(result.stdout)["is_healthy"] is True

    def test_pghost_alone_selects_an_external_database(self, production: Compose) -> None:
        external = Compose(production.file, production.project + "-external", production.environment)
        result = external("run", "--rm", "pipeline", "migrate", PGHOST="no-such-host", PIPELINE_DB_WAIT_SECONDS="0")
        assert result.returncode == 69, result.output
        assert "postgres" not in external("ps", "--all", "--services").stdout
        external("--profile", "local-database", "down", "--volumes")

    def test_docker_inspect_shows_no_secret(self, production: Compose, secrets: Path) -> None:
        result = command(
            "docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={production.project}"
        )
        text = command("docker", "inspect", *result.stdout.split()).stdout
        assert text
        for secret in secrets.iterdir():
            assert secret.read_text().strip() not in text

    def test_the_pipeline_is_confined(self, production: Compose) -> None:
        pipeline = production.configuration()["services"]["pipeline"]
        assert pipeline["read_only"] is True
        assert pipeline["cap_drop"] == ["ALL"]
        assert pipeline["security_opt"] == ["no-new-privileges:true"]
        assert pipeline["restart"] == "no"
        assert pipeline["deploy"]["resources"]["limits"]["memory"]
        assert pipeline["environment"]["PIPELINE_USE_MANIFEST"] == "1"
        assert pipeline["environment"]["PIPELINE_OWNER_ROLE"] == "wearables_owner"

    def test_the_database_is_not_published_and_its_passwords_are_files(self, production: Compose) -> None:
        services = production.configuration()["services"]
        for service in services.values():
            assert not service.get("ports")
            named = {name for name in service["environment"] if "PASSWORD" in name or "KEY" in name}
            assert named
            assert all(name.endswith("_FILE") for name in named)
        assert services["postgres"]["restart"] == "unless-stopped"

    def test_production_has_named_volumes_of_its_own(self, production: Compose) -> None:
        configuration = production.configuration(DATA_LAKE="data_lake")
        assert configuration["volumes"].keys() == {"data_lake", "postgres", "reports"}
        mounted = {each["source"]: each for each in configuration["services"]["pipeline"]["volumes"]}
        assert {name: (each["type"], each["target"]) for name, each in mounted.items()} == {
            "data_lake": ("volume", "/data_lake"),
            "reports": ("volume", "/reports"),
        }
        assert mounted["data_lake"]["read_only"]
        names = {
            json.loads(command("docker", "compose", "--file", file, "config", "--format", "json").stdout)["name"]
            for file in ("compose.yaml", "compose.prod.yaml")
        }
        assert len(names) == 2, "development and production share no volume"


class TestDevelopment:
    def test_one_command_ingests_the_sample_data(self, development: Compose) -> None:
        result = development("run", "--rm", "pipeline", "ingest")
        assert result.returncode == 0, result.output
        assert int(query(development, "select count(*) from raw.sleep")) > 1000

    def test_only_this_machine_can_reach_the_database(self, development: Compose) -> None:
        (port,) = development.configuration()["services"]["postgres"]["ports"]
        assert port["host_ip"] == "127.0.0.1"


def test_a_folder_can_be_copied_into_the_volume(production: Compose) -> None:
    """docs/compose.md gives this command for a landing zone in a volume."""
    own = Compose(production.file, f"{production.project}-copy", {**production.environment, "DATA_LAKE": "data_lake"})
    try:
        result = own(
            *("run", "--rm", "--no-deps", "--volume", f"{REPOSITORY}/sample_data:/exports:ro"),
            *("--volume", f"{own.project}_data_lake:/landing", "pipeline", "cp", "-r", "/exports/.", "/landing/"),
        )
        assert result.returncode == 0, result.output
        listed = own("run", "--rm", "--no-deps", "pipeline", "/bin/ls", "/data_lake")
        assert "sleep_2026-04-01.csv" in listed.stdout
    finally:
        own("--profile", "local-database", "down", "--volumes")


def test_only_their_owner_can_read_the_secret_files_on_the_host(secrets: Path) -> None:
    assert secrets.stat().st_mode & 0o777 == 0o700
    for secret in secrets.iterdir():
        assert secret.stat().st_mode & 0o777 == 0o444
        assert len(secret.read_text().strip()) >= 32
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    command(str(REPOSITORY / "scripts/make-secrets.sh"), str(secrets))
    assert before == {path.name: path.read_text() for path in secrets.iterdir()}, "existing secrets are kept"


def test_check_second_run_passes(pipeline: Pipeline) -> None:
    result = command(
        str(REPOSITORY / "scripts/check-second-run.sh"),
        pipeline.image,
        environment={
            "PATH": os.environ["PATH"],
            "NETWORK": pipeline.network,
            **{name: value for name, value in pipeline.environment.items() if name.startswith("PG")},
            "PGUSER": "postgres",
            "PGPASSWORD": "postgres",
        },
    )
    assert result.returncode == 0, result.output
