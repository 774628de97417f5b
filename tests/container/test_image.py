"""The image without a run: contents, configuration and start."""

import json

import pytest

from tests.container.conftest import PASSWORD
from tests.container.engine import CONFINED, REPOSITORY, Pipeline, command, docker

pytestmark = pytest.mark.container

NO_NETWORK = ("--rm", "--network=none", *CONFINED)


def test_check_image_passes(image: str) -> None:
    result = command(str(REPOSITORY / "scripts/check-image.sh"), image)
    assert result.returncode == 0, result.output


def test_the_image_contains_no_secret(image: str) -> None:
    text = docker("image", "history", "--no-trunc", image) + docker("image", "inspect", image)
    for words in (PASSWORD, "PGPASSWORD=", "DATABASE_URL=", "index-url", "extra-index"):
        assert words not in text


def test_build_secrets_stay_in_no_layer(image: str) -> None:
    assert docker("run", *NO_NETWORK, image, "sh", "-c", "cat /etc/pip.conf /run/secrets/* 2>/dev/null; true") == ""


def test_the_configuration_has_an_entrypoint_and_no_health_check(image: str) -> None:
    configuration = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image))
    assert "Healthcheck" not in configuration
    assert configuration["Entrypoint"][0] == "/usr/bin/tini"
    assert configuration["Cmd"] == ["run"]


def test_the_dbt_project_is_parsed(image: str) -> None:
    docker("run", *NO_NETWORK, image, "test", "-s", "/app/dbt/target/partial_parse.msgpack")


def test_every_module_is_compiled(image: str) -> None:
    """Python would compile a module without a .pyc file at every start."""
    script = """
import pathlib, sys, sysconfig
import ingestion.__main__, dbt.cli.main, dbt.adapters.postgres, pandas, sqlalchemy
print(*(m.__file__ for m in sys.modules.values()
        if getattr(m, "__file__", None) and m.__file__.endswith(".py")
        and getattr(m, "__cached__", None) and not pathlib.Path(m.__cached__).exists()))
"""
    assert docker("run", *NO_NETWORK, image, "python", "-c", script) == ""


def test_pandas_and_dbt_work_without_the_pruned_files(image: str) -> None:
    script = """
import io, agate, pandas, babel.numbers
assert pandas.read_csv(io.StringIO("a,b\\n1,2\\n")).describe().loc["mean", "b"] == 2
assert babel.numbers.format_decimal(1234.5, locale="en_US") == "1,234.5"
assert agate.Table.from_csv(io.StringIO("a,b\\n1,2\\n")).columns["b"].values() == (2,)
import dbt.cli.main, dbt.adapters.postgres, dbt.task.build, dbt.task.docs.generate
"""
    docker("run", *NO_NETWORK, image, "python", "-c", script)


@pytest.mark.parametrize("user", ["10001:10001", "54321:12345", "1234567:0"])
def test_any_user_can_run_it(image: str, user: str) -> None:
    result = command("docker", "run", f"--user={user}", *NO_NETWORK, image, "--help")
    assert result.returncode == 0, result.output
    assert "migrate" in result.stdout


def test_it_contains_a_shell(image: str) -> None:
    assert docker("run", *NO_NETWORK, image, "sh", "-c", "echo hello") == "hello"
    assert docker("run", *NO_NETWORK, image, "bash", "-c", "pwd") == "/app"


def test_a_run_without_a_database_setting_is_refused(image: str) -> None:
    result = command("docker", "run", *NO_NETWORK, image)
    assert result.returncode == 78, result.output
    assert "DATABASE_URL" in result.stderr


def test_an_unknown_command_is_refused(image: str) -> None:
    result = command("docker", "run", *NO_NETWORK, image, "no-such-command")
    assert result.returncode == 64, result.output


def test_a_signal_before_the_program_has_started_ends_it(pipeline: Pipeline) -> None:
    with pipeline.started("sh", "-c", "sleep 60") as name:
        assert command("docker", "stop", "--time=20", name).seconds < 5
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "143"
