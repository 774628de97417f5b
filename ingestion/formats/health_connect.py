"""Health Connect's export: an SQLite database of all records that the apps of an Android telephone share.

A separate process reads it, because the file may be damaged on purpose.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats.base import CHUNK_BYTES, Chunks, TableFormat, Unpacked
from ingestion.formats.health_connect_process import CANNOT_READ, NOT_HEALTH_CONNECT
from ingestion.formats.separate import command_of, read_separately
from ingestion.leftovers import temporary_folder
from ingestion.sources import Layout

_SIGNATURE = b"SQLite format 3\0"
_MOST_BYTES = 4 << 30
_PREFIX = "wearable-health-connect-"
# the longest time without a row: sleep is grouped first
_PATIENCE_SECONDS = 300.0


class HealthConnect(TableFormat):
    """One table of an export.

    Arguments:
        layout: the table, and the columns of the raw table that it fills.
        user_id: the participant.

    """

    suffixes = (".db",)
    archive_entries = 1_000

    def __init__(self, layout: Layout, user_id: object) -> None:
        self._table = layout.table
        self._columns = [column for column in layout.columns if column.name != "user_id"]
        self._user_id = user_id

    @classmethod
    def is_member(cls, name: str) -> bool:
        """Whether this is a database."""
        return PurePosixPath(name).suffix.lower() == ".db"

    @classmethod
    def begins(cls, beginning: bytes) -> bool:
        """Whether this is the beginning of an SQLite database."""
        return beginning.startswith(_SIGNATURE)

    def read(self, file: Unpacked) -> Readable:
        """Return CSV with the raw table's columns."""
        return Chunks(self._csv(file.stream))

    def _csv(self, stream: Readable) -> Iterator[bytes]:
        yield _line("user_id", *(column.name for column in self._columns)) + b"\n"
        before = _line(self._user_id, "")
        rest = b""
        for chunk in _rows(stream, self._table, [column.header for column in self._columns]):
            *lines, rest = (rest + chunk).split(b"\n")
            if lines:
                yield b"".join(before + line + b"\n" for line in lines)


def _line(*values: object) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue().encode()


def _rows(stream: Readable, table: str, columns: list[str]) -> Iterator[bytes]:
    unreadable = FileRefusedError("the database cannot be read", hint="Export it again.")
    with temporary_folder(_PREFIX) as folder:
        # SQLite opens a file by its name
        path = folder / "export.db"
        with path.open("w+b") as file:
            _copy(stream, file)
            file.seek(0)
            if not HealthConnect.begins(file.read(len(_SIGNATURE))):
                raise unreadable
            yield from read_separately(
                command_of("health_connect_process", path, table, *columns),
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
