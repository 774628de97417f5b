"""Checks that refuse a file: too many bad rows, and counts that do not add up."""

from collections import Counter

import psycopg2

from ingestion.errors import FileRefusedError
from ingestion.sources import Dataset

_SHOWN_FAULTS = 3
# data exceptions, and violations of a constraint
_CLASSES_OF_DATA = ("22", "23")
# what a node of a distributed table answers to COPY arrives without its SQLSTATE; most likely, it is a constraint
_ANSWER_OF_A_NODE = ("XX000", "ReportCopyError")


def refuses_data(exc: psycopg2.Error) -> bool:
    """Whether PostgreSQL has refused a row, and not failed for another reason.

    Arguments:
        exc: the driver's error.

    """
    code = exc.pgcode or ""
    return code.startswith(_CLASSES_OF_DATA) or (code, exc.diag.source_function) == _ANSWER_OF_A_NODE


def refuse_too_many(dataset: Dataset, read: int, faults: Counter[str]) -> None:
    """Refuse a file that has more bad rows than its dataset allows.

    Arguments:
        dataset: the file's dataset.
        read: the number of rows read so far.
        faults: the number of bad rows per fault.

    Raises:
        FileRefusedError: it has too many.

    """
    rejected = faults.total()
    if rejected > dataset.max_rejected_rows or rejected * 100 > dataset.max_rejected_percent * read:
        raise FileRefusedError(
            f"{rejected} of {read} rows are bad, too many for the rest to be trusted: {_most_common(faults)}",
            hint=f"{dataset.name} allows {dataset.max_rejected_percent:g} % and {dataset.max_rejected_rows:,} rows."
            " See docs/errors.md for each reason.",
        )


def check_counts(is_equal: bool) -> None:
    """Refuse a file whose counts do not add up.

    Arguments:
        is_equal: whether they do.

    Raises:
        FileRefusedError: they do not.

    """
    if not is_equal:
        raise FileRefusedError("the records do not add up", hint="This is a bug: please report it.")


def _most_common(faults: Counter[str]) -> str:
    named = [f"{fault} {count}" for fault, count in faults.most_common(_SHOWN_FAULTS)]
    return ", ".join([*named, "..."] if len(faults) > len(named) else named)
