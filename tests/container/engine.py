"""Run commands of Docker and keep their output."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

# The confinement of compose.yaml.
CONFINED = (
    "--read-only",
    "--tmpfs=/tmp:size=256m,mode=1777",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges:true",
)


@dataclass(frozen=True)
class Result:
    """The outcome of a command."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def command(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    timeout: float = 180,
    stdin: str | None = None,
    cwd: Path = REPOSITORY,
) -> Result:
    """Run a command to its end and return its outcome, whatever the exit code."""
    started = time.monotonic()
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env=environment,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def docker(*arguments: str, timeout: float = 180, stdin: str | None = None) -> str:
    """Run a docker command that must succeed, and return its output."""
    result = command("docker", *arguments, timeout=timeout, stdin=stdin)
    assert result.returncode == 0, f"docker {' '.join(arguments)}\n{result.output}"
    return result.stdout.strip()


def engine_answers() -> bool:
    """Return whether docker, compose and buildx work here."""
    if shutil.which("docker") is None:
        return False
    return all(
        command("docker", *words).returncode == 0
        for words in (("info",), ("compose", "version"), ("buildx", "version"))
    )


def eventually(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until the condition holds; fail with `what` after the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Database:
    """A database on the session's server."""

    server: str
    name: str

    def psql(self, statement: str, *, user: str = "postgres") -> Result:
        """Run a statement as that user, without a password."""
        return command(
            *("docker", "exec", self.server, "psql", "-XAtq", "--set=ON_ERROR_STOP=1"),
            *("--username", user, "--dbname", self.name, "--command", statement),
        )

    def query(self, statement: str) -> str:
        """Return the result of a query: fields separated by |, rows by line breaks."""
        result = self.psql(statement)
        assert result.returncode == 0, f"{statement}\n{result.output}"
        return result.stdout.strip()


@dataclass(frozen=True)
class Pipeline:
    """The image with the settings of a database and a landing zone."""

    image: str
    network: str
    environment: Mapping[str, str] = field(default_factory=dict)
    landing_zone: Path = REPOSITORY / "sample_data"
    options: Sequence[str] = CONFINED

    def arguments(
        self, *words: str, environment: Mapping[str, str] | None = None, options: Sequence[str] = ()
    ) -> list[str]:
        variables = {**self.environment, **(environment or {})}
        return [
            f"--network={self.network}",
            *self.options,
            *options,
            f"--volume={self.landing_zone}:/data_lake:ro",
            *(f"--env={name}={value}" for name, value in variables.items()),
            self.image,
            *words,
        ]

    def run(
        self,
        *words: str,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        timeout: float = 180,
    ) -> Result:
        """Run a container to its end and return its outcome."""
        return command(
            "docker",
            "run",
            "--rm",
            *self.arguments(*words, environment=environment, options=options),
            timeout=timeout,
        )

    @contextmanager
    def started(
        self, *words: str, environment: Mapping[str, str] | None = None, options: Sequence[str] = ()
    ) -> Iterator[str]:
        """Start a container, yield its name, and remove it at the end."""
        name = docker("run", "--detach", *self.arguments(*words, environment=environment, options=options))
        try:
            yield name
        finally:
            command("docker", "rm", "--force", "--volumes", name)


def exit_code(container: str, timeout: float = 120) -> int:
    """Wait for the end of a container and return its exit code."""
    return int(docker("wait", container, timeout=timeout))


def logs(container: str) -> str:
    """Return what a container has written so far to stdout and stderr."""
    return command("docker", "logs", container).output
