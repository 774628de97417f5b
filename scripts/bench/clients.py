r"""Programs whose time and memory are measured, and psql's \copy, with which the others are compared."""

import contextlib
import gzip
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from ingestion import embedded
from ingestion.config import ROOT, Database
from scripts.bench.inputs import BUILD, DAILY_ACTIVITY
from scripts.bench.servers import Server, execute, row_of

PLAIN_TABLE = "public.plain"
_SAMPLE_SECONDS = 0.02
# of what a failed program printed
_LAST_LINES = 20
# a variable of the machine would have each process compile the modules again; an image has them compiled
_COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
_OPTIONS = ("--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1")


class ClientFailedError(Exception):
    """A program has ended with an exit code other than 0, or did not do what is measured."""


@dataclass(frozen=True)
class Measurement:
    """What a program has cost.

    Arguments:
        seconds: the time of the load if the program reports it, else of the whole process.
        process_seconds: the time from start to exit.
        peak_megabytes: the largest sum of the peaks of processes that ran at once, without the server.
        client_cpu: processor seconds of the program and of the processes that it started.
        server_cpu: processor seconds of the server's processes that ended with it.
        round_trips: how often the program waited for the server, where a proxy counts it.
        megabytes: the size of what was written.
        note: what else is worth knowing.

    """

    seconds: float
    process_seconds: float | None = None
    peak_megabytes: float | None = None
    client_cpu: float | None = None
    server_cpu: float | None = None
    round_trips: int | None = None
    megabytes: float | None = None
    note: str = ""


def measure(
    command: Sequence[str | Path],
    environment: dict[str, str] | None = None,
    server: Server | None = None,
    folder: Path = ROOT,
) -> tuple[Measurement, str]:
    """Run a program to its end.

    Arguments:
        command: the program and its arguments.
        environment: variables to add.
        server: whose processor time to measure as well.
        folder: where to run it.

    Returns:
        The measurement, and what the program printed.

    Raises:
        ClientFailedError: its exit code is not 0; stderr has what it printed.

    """
    others = server.processes() if server else set()
    used = server.cpu_seconds() if server else 0.0
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, env=os.environ | _COMPILED | (environment or {}), cwd=folder
        )
        peaks: list[int] = [0]
        is_over = Event()
        sampler = Thread(target=_sample, args=(process.pid, peaks, is_over))
        sampler.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
        except BaseException:
            process.kill()
            raise
        finally:
            is_over.set()
            sampler.join()
        # told to Popen, which would wait for the process once more
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        printed = output.read()
        if process.returncode:
            sys.stderr.write("".join(f"{line}\n" for line in (printed + errors.read()).splitlines()[-_LAST_LINES:]))
            raise ClientFailedError(f"{Path(command[0]).name} ended with exit code {process.returncode}")
    if server:
        server.wait_for_the_end_of_others(others)
        used = server.cpu_seconds() - used
    measured = Measurement(
        seconds,
        process_seconds=seconds,
        peak_megabytes=peaks[0] / 1024,
        client_cpu=usage.ru_utime + usage.ru_stime,
        server_cpu=used if server else None,
    )
    return measured, printed


def _sample(pid: int, peaks: list[int], is_over: Event) -> None:
    """Keep the largest sum of peaks; getrusage would include the parent's memory before exec, and not add up."""
    while not is_over.is_set():
        peaks[0] = max(peaks[0], sum(map(_peak_kilobytes, _with_descendants(pid))))
        is_over.wait(_SAMPLE_SECONDS)


def _with_descendants(pid: int) -> Iterable[int]:
    yield pid
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for child in (thread / "children").read_text("ascii").split():
                    yield from _with_descendants(int(child))


def _peak_kilobytes(pid: int) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    return 0


def copy(server: Server, database: Database, *paths: Path, near: Database | None = None) -> Measurement:
    r"""Load with psql's \copy, in one session, into a table with the same columns and types and nothing else.

    Arguments:
        server: whose processor time to measure as well.
        database: where to.
        paths: the files; all have the same columns.
        near: the same database without a proxy, if there is one.

    """
    create_plain_table(near or database, paths[0])
    with tempfile.NamedTemporaryFile("w", dir=BUILD, suffix=".sql") as script:
        script.write(_script_of(paths))
        script.flush()
        return measure([_psql(), *_OPTIONS, "-f", script.name, database.dsn], server=server)[0]


def copy_side_by_side(server: Server, database: Database, *paths: Path) -> Measurement:
    r"""Load with two psql in parallel, each with half of the files: the upper limit of two workers."""
    create_plain_table(database, paths[0])
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        commands = []
        for number, half in enumerate((paths[::2], paths[1::2])):
            script = Path(folder, f"{number}.sql")
            script.write_text(_script_of(half))
            commands.append(shlex.join([_psql(), *_OPTIONS, "-f", str(script), database.dsn]))
        shell = f"{commands[0]} & other=$!; {commands[1]} && wait $other"
        return measure(["sh", "-c", shell], server=server)[0]


def copy_one_by_one(server: Server, database: Database, folder: Path) -> Measurement:
    r"""Load with a shell loop that starts psql for each file, as scripts do."""
    create_plain_table(database, next(folder.iterdir()))
    psql = shlex.join([_psql(), *_OPTIONS, database.dsn])
    load = rf"\copy {PLAIN_TABLE} from '$file' with (format csv, header true)".replace("\\", "\\\\")
    shell = f'set -e; for file in {shlex.quote(str(folder))}/*.csv; do {psql} -c "{load}"; done'
    return measure(["sh", "-c", shell], server=server)[0]


def create_plain_table(database: Database, path: Path) -> None:
    """Create a table with the columns of a file, and with their declared types."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        names = file.readline().strip().split(",")
    types = {column.header: column.type for column in DAILY_ACTIVITY.columns}
    columns = ", ".join(f'"{name}" {types.get(name, "text")}' for name in names)
    execute(database, f"create table {PLAIN_TABLE} ({columns})")


def check_copied(database: Database, rows: int, table: str = PLAIN_TABLE) -> None:
    """Check that a table has that many rows.

    Raises:
        ClientFailedError: it has another number.

    """
    (found,) = row_of(database, f"select count(*) from {table}")  # noqa: S608  (a name of ours)
    if found != rows:
        raise ClientFailedError(f"{table} has {found} rows and not {rows}")


def _psql() -> str:
    path = embedded.psql()
    if path is None:
        raise ClientFailedError("the embedded server has no psql")
    return path


def _script_of(paths: Iterable[Path]) -> str:
    return "".join(rf"\copy {PLAIN_TABLE} from {_origin(path)} with (format csv, header true)" + "\n" for path in paths)


def _origin(path: Path) -> str:
    r"""Return what \copy reads: a file, or a program that unpacks it."""
    return f"program 'gzip -dc {path}'" if path.suffix == ".gz" else f"'{path}'"
