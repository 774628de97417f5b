"""Files of two participants with the same bytes."""

from collections.abc import Iterator

from ingestion.results import Remark

# up to this number of rows, files of two persons can be the same by chance: days without a step, for instance
ROWS_OF_CHANCE = 10


def twin_remarks(twin: str, rows: int) -> Iterator[Remark]:
    """Yield what is strange about a file with the bytes of another participant's file, unless it may be chance.

    Arguments:
        twin: the name of the other file.
        rows: the records with data in each of the two.

    """
    if rows > ROWS_OF_CHANCE:
        yield Remark(
            f"the same {rows:,} rows as {twin}: one of them was probably put into the wrong folder",
            remedy="If this one is wrong, take it out: python -m ingestion retract FILE --reason WHY",
            is_warning=True,
        )
