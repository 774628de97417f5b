"""The entrypoint with a `python` that prints how it is called; needs no Docker engine."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.container.engine import REPOSITORY, Result, command

ENTRYPOINT = str(REPOSITORY / "docker/entrypoint.sh")
CONFIGURATION = 78

Enter = Callable[..., Result]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for PATH with a `python` that prints its arguments and settings."""
    folder = tmp_path / "programs"
    folder.mkdir()
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "python $*"\nenv | grep -E "^(PG|DB_|DATABASE|PIPELINE)" | sort\nexit 7\n')
    python.chmod(0o755)
    return folder


@pytest.fixture
def enter(programs: Path) -> Enter:
    def enter(*words: str, **environment: str) -> Result:
        return command(ENTRYPOINT, *words, environment={"PATH": f"{programs}:{os.environ['PATH']}", **environment})

    return enter


def without_root(*words: str, environment: Mapping[str, str]) -> Result:
    """Run the command as another user if the tests run as root, who can read every file."""
    prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    return command(*prefix, *words, environment=environment)


@pytest.mark.parametrize(
    ("words", "called"),
    [
        ((), "run"),
        (("run",), "run"),
        (("migrate", "--status"), "migrate --status"),
        (("ingest", "--data-dir", "two words"), "ingest --data-dir two words"),
        (("status", "--json"), "status --json"),
        (("transform",), "transform"),
        (("ls", "s3://a-bucket"), "ls s3://a-bucket"),
        (("--help",), "--help"),
        (("no-such-command",), "no-such-command"),
    ],
)
def test_other_words_are_commands_of_the_pipeline(enter: Enter, words: tuple[str, ...], called: str) -> None:
    result = enter(*words)
    assert result.stdout.splitlines()[0] == f"python -m ingestion {called}"
    assert result.returncode == 7, "the exit code is the program's"


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_program_on_path_is_executed(enter: Enter, shell: str) -> None:
    result = enter(shell, "-c", "echo hello; exit 3")
    assert (result.stdout, result.returncode) == ("hello\n", 3)


@pytest.mark.parametrize("name", ["DATABASE_URL", "PGPASSWORD", "DB_PASSWORD", "PGUSER", "PIPELINE_ERASURE_KEY"])
def test_a_secret_is_read_from_a_file(enter: Enter, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("p ä'\"$x\\\n")
    result = enter("run", **{f"{name}_FILE": str(secret)})
    assert result.stdout.splitlines()[1:] == [f"{name}=p ä'\"$x\\"], "without the line break, and NAME_FILE is unset"


def test_a_setting_and_its_file_exclude_each_other(enter: Enter, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    result = enter("run", PGPASSWORD="y", PGPASSWORD_FILE=str(secret))
    assert result.returncode == CONFIGURATION
    assert "PGPASSWORD and PGPASSWORD_FILE are both set" in result.stderr


def test_an_empty_setting_counts_as_unset(enter: Enter, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    assert "PGPASSWORD=x" in enter("run", PGPASSWORD="", PGPASSWORD_FILE=str(secret)).stdout


def test_a_missing_file_is_reported(enter: Enter) -> None:
    result = enter("run", PGPASSWORD_FILE="/no/such/file")
    assert result.returncode == CONFIGURATION
    assert "the file /no/such/file does not exist" in result.stderr


def test_an_empty_file_is_refused(enter: Enter, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("\n")
    result = enter("run", PGPASSWORD_FILE=str(secret))
    assert result.returncode == CONFIGURATION
    assert f"{secret} is empty" in result.stderr


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, unlike tmp_path."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_an_unreadable_file_is_reported(open_folder: Path) -> None:
    folder = open_folder
    secret = folder / "secret"
    secret.write_text("hush-hush")
    secret.chmod(0o600)
    if os.geteuid() != 0:
        secret.chmod(0)
    entrypoint = folder / "entrypoint.sh"
    entrypoint.write_bytes(Path(ENTRYPOINT).read_bytes())
    entrypoint.chmod(0o755)
    result = without_root(
        *("bash", str(entrypoint), "run"),
        environment={"PATH": os.environ["PATH"], "PGPASSWORD_FILE": str(secret)},
    )
    assert result.returncode == CONFIGURATION
    assert " cannot read " in result.stderr
    assert "chmod 0444" in result.stderr
    assert "hush-hush" not in result.output


def test_a_shell_starts_without_the_secrets(enter: Enter) -> None:
    assert enter("sh", "-c", "echo in", PGPASSWORD_FILE="/no/such/file").stdout == "in\n"


def test_the_program_gets_the_path_of_the_termination_log(enter: Enter, tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    assert "TERMINATION_LOG" not in enter("run", PIPELINE_TERMINATION_LOG=str(log)).stdout, "the file does not exist"
    log.touch()
    assert f"PIPELINE_TERMINATION_LOG={log}" in enter("run", PIPELINE_TERMINATION_LOG=str(log)).stdout


def test_the_entrypoint_writes_its_failure_to_the_termination_log(enter: Enter, tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    enter("run", PIPELINE_TERMINATION_LOG=str(log), PGPASSWORD_FILE="/no/such/file")
    assert log.read_text().startswith("configuration: PGPASSWORD_FILE: the file /no/such/file does not exist")


def test_a_signal_to_the_entrypoint_reaches_the_program(programs: Path) -> None:
    """The entrypoint ends in exec, so both are the same process."""
    (programs / "python").write_text(
        '#!/bin/bash\ntrap "echo caught; exit 143" TERM\necho $$\nwhile :; do sleep 0.05; done\n'
    )
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    with subprocess.Popen([ENTRYPOINT], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{process.pid}\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "caught\n"
    assert process.returncode == 143
