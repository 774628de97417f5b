"""Split a record into fields, and join fields into a line for COPY."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from ingestion.load.dialect import Dialect
from ingestion.quarantine import Reason

_CSV_ERRORS: dict[str, Reason] = {
    "unexpected end": "unclosed_quote",
    "new-line character": "stray_carriage_return",
}


def split(text: str, dialect: Dialect) -> tuple[list[str], None] | tuple[None, Reason]:
    """Split a record into its fields, as RFC 4180 has it: a quote opens a field only at its beginning, or after spaces.

    Arguments:
        text: the record.
        dialect: how the file is written.

    Returns:
        The fields, or the reason to reject the record.

    """
    delimiter = dialect.delimiter
    if text and text[0] != " " and f"{delimiter} " not in text and not _has_mark(text, dialect):
        return text.split(delimiter), None
    reader = csv.reader([text], delimiter=delimiter, quotechar=dialect.quote, skipinitialspace=True, strict=True)
    try:
        return next(reader, []), None
    except csv.Error as exc:
        for words, reason in _CSV_ERRORS.items():
            if words in str(exc):
                return None, reason
        return None, "stray_quote"


def join_fields(values: Sequence[Any], dialect: Dialect) -> str:
    """Return values as one line, without a line end.

    Arguments:
        values: the values, converted by `str`; None for no value.
        dialect: how to write them.

    """
    plain = dialect.delimiter.join(["" if value is None else str(value) for value in values])
    # a delimiter inside a value makes one more
    if len(values) > 1 and plain.count(dialect.delimiter) == len(values) - 1 and not _has_mark(plain, dialect):
        return plain
    line = io.StringIO()
    # before Python 3.13, the writer quotes line ends only where the line terminator has them
    csv.writer(line, delimiter=dialect.delimiter, quotechar=dialect.quote, lineterminator="\r\n").writerow(values)
    return line.getvalue().removesuffix("\r\n")


def _has_mark(text: str, dialect: Dialect) -> bool:
    """Whether a text has a quote or a line end, so that the csv module has to read or write it."""
    return dialect.quote in text or "\r" in text or "\n" in text
