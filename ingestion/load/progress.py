"""Show the progress of a long load: a bar on a terminal, a log line every few seconds elsewhere. Measure its time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from ingestion import log
from ingestion.printable import printable

OnChunk = Callable[[int, int], None]

_SECONDS_BETWEEN_LINES = 5.0
_MIN_BAR_BYTES = 4 << 20


def ignore_progress(_size: int, _lines: int) -> None:
    """Do nothing with the numbers of bytes and lines of a chunk."""


@contextmanager
def watch(filename: str, size: int) -> Iterator[OnChunk]:
    """Show the progress of one file for the length of the block.

    Arguments:
        filename: the file's name.
        size: its size in bytes.

    Returns:
        A function to call with the numbers of bytes and lines of each chunk.

    """
    console = log.console()
    if console is None:
        yield _logged(filename, size)
    elif size < _MIN_BAR_BYTES:
        yield ignore_progress
    else:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(printable(filename), total=size, rows=0)

            def advance(chunk: int, lines: int) -> None:
                bar.update(task, advance=chunk, rows=bar.tasks[task].fields["rows"] + lines)

            yield advance


def _logged(filename: str, size: int) -> OnChunk:
    started = last = time.monotonic()
    done = rows = 0

    def advance(chunk: int, lines: int) -> None:
        nonlocal done, rows, last
        done += chunk
        rows += lines
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            log.event(
                f"loading {filename}",
                status="progress",
                file=filename,
                bytes=done,
                bytes_total=size,
                rows=rows,
                rows_per_second=round(rows / (now - started)),
            )

    return advance
