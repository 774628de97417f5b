"""Files of two participants with the same bytes."""

from collections.abc import Iterator
from dataclasses import dataclass

from ingestion import db
from ingestion.results import Remark

# up to this number of rows, files of two persons can be the same by chance: days without a step, for instance
ROWS_OF_CHANCE = 10

_WRONG_FOLDER = "one of them was probably put into the wrong folder"
_queries = db.queries("twins")


@dataclass(frozen=True)
class SharedContent:
    """Loaded files with the same bytes, in the folders of several participants.

    Arguments:
        dataset: the name of their dataset.
        checksum: SHA-256 of their bytes, in hexadecimal.
        rows: the records with data in each of them.
        filenames: their names, the one that was loaded first in front.

    """

    dataset: str
    checksum: str
    rows: int
    filenames: tuple[str, ...]

    @property
    def message(self) -> str:
        """One line about them."""
        names = " and ".join(self.filenames)
        return f"{self.dataset}: the same {self.rows:,} rows are loaded from {names}: {_WRONG_FOLDER}"


def twin_remarks(twin: str, rows: int) -> Iterator[Remark]:
    """Yield what is strange about a file with the bytes of another participant's file, unless it may be chance.

    Arguments:
        twin: the name of the other file.
        rows: the records with data in each of the two.

    """
    if rows > ROWS_OF_CHANCE:
        yield Remark(
            f"the same {rows:,} rows as {twin}: {_WRONG_FOLDER}",
            remedy="If this one is wrong, take it out: python -m ingestion retract FILE --reason WHY",
            is_warning=True,
        )


def shared_contents(connection: db.Connection, schema: str) -> list[SharedContent]:
    """Return the contents that are loaded for several participants, and that cannot be the same by chance.

    Arguments:
        connection: a connection that may read ops.
        schema: the schema of the raw tables.

    """
    return [
        SharedContent(row.dataset, row.checksum, row.rows_filled, tuple(row.filenames))
        for row in _queries.shared_contents(connection, target_schema=schema, rows_of_chance=ROWS_OF_CHANCE)
    ]
