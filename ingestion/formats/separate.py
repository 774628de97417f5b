"""Tables that a separate process reads. A file that crashes a library, makes it hang or fills the memory ends only it.

The process gets the file on standard input and writes CSV to standard output. It ends with 0, or with a code that says
what is wrong with the file.
"""

import os
import resource
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import IO, cast

from ingestion.config import ROOT
from ingestion.errors import FileRefusedError
from ingestion.formats.base import CHUNK_BYTES


def read_separately(
    command: tuple[str, ...],
    file: IO[bytes],
    *,
    patience_seconds: float,
    refusals: Mapping[int, FileRefusedError],
    damaged: FileRefusedError,
) -> Iterator[bytes]:
    """Yield what a process makes of a file.

    Arguments:
        command: the process.
        file: the file, at its beginning.
        patience_seconds: the longest time without output.
        refusals: what the exit codes of the process mean.
        damaged: what any other end means.

    Raises:
        FileRefusedError: the process has refused the file, or has crashed or hung.

    """
    with subprocess.Popen(
        command, cwd=ROOT, stdin=file.fileno(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield from _read(cast("IO[bytes]", process.stdout), patience_seconds, damaged)
            code = process.wait()
        finally:
            process.kill()
    if code:
        raise refusals.get(code, damaged)


def _read(stream: IO[bytes], patience_seconds: float, damaged: FileRefusedError) -> Iterator[bytes]:
    while True:
        ready, _, _ = select.select([stream], [], [], patience_seconds)
        if not ready:
            raise damaged
        chunk = os.read(stream.fileno(), CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def command_of(module: str, *arguments: object) -> tuple[str, ...]:
    """Return the command that runs a module of this package as a process.

    Arguments:
        module: its name.
        arguments: its arguments.

    """
    return (sys.executable, "-m", f"ingestion.formats.{module}", *map(str, arguments))


def limit(memory_bytes: int, seconds: int | None = None) -> None:
    """Limit this process. It gets a MemoryError above the memory, and is killed after the time.

    Arguments:
        memory_bytes: the most memory, in bytes of addresses.
        seconds: the most time of the processor; None for no limit.

    """
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
