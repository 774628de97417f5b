"""Health Connect's export: an SQLite database of all records that the apps of an Android telephone share.

A separate process reads it, because the file may be damaged on purpose.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import CHUNK_BYTES, Chunks, Format, Unpacked
from ingestion.formats.health_connect_process import CANNOT_READ, NOT_HEALTH_CONNECT
from ingestion.formats.separate import command_of, read_separately
from ingestion.leftovers import temporary_folder
from ingestion.sources import Layout

_SIGNATURE = b"SQLite format 3\0"
_MOST_BYTES = 4 << 30
_PREFIX = "wearable-health-connect-"
# the longest time without a row: sleep is grouped first
_PATIENCE_SECONDS = 300.0


class HealthConnect(Format):
    """One table of an export.

    Arguments:
        layout: which table.

    """

    suffixes = (".db",)

    def __init__(self, layout: Layout) -> None:
        self._table = layout.table

    def read(self, file: Unpacked) -> Readable:
        """Return the table as CSV."""
        return Chunks(_rows(file.stream, self._table))


def _rows(stream: Readable, table: str) -> Iterator[bytes]:
    unreadable = FileRefusedError("the database cannot be read", hint="Export it again.")
    with ExitStack() as resources:
        # SQLite opens a file by its name
        path = resources.enter_context(temporary_folder(_PREFIX)) / "export.db"
        with path.open("w+b") as file:
            _copy(stream, file)
            file.seek(0)
            if file.read(len(_SIGNATURE)) != _SIGNATURE:
                raise unreadable
            yield from read_separately(
                command_of("health_connect_process", table, Path(file.name)),
                file,
                patience_seconds=_PATIENCE_SECONDS,
                refusals={
                    CANNOT_READ: unreadable,
                    NOT_HEALTH_CONNECT: FileRefusedError(
                        "the database is not one of Health Connect", hint="Leave it out of the landing zone."
                    ),
                },
                damaged=unreadable,
            )


def _copy(stream: Readable, file: IO[bytes]) -> None:
    while chunk := stream.read(CHUNK_BYTES):
        file.write(chunk)
        if file.tell() > _MOST_BYTES:
            raise FileRefusedError(
                f"the database is larger than {_MOST_BYTES >> 30} GiB", hint="Export a shorter time."
            )
    file.flush()
