"""Data frames as CSV."""

from collections.abc import Iterator
from typing import Any

_ROWS_PER_CHUNK = 10_000


def as_csv(frame: Any, *, header: bool) -> Iterator[bytes]:
    """Yield a pandas data frame as CSV.

    Arguments:
        frame: the data frame.
        header: whether to begin with the names of its columns.

    """
    for begin in range(0, len(frame), _ROWS_PER_CHUNK):
        part = frame.iloc[begin : begin + _ROWS_PER_CHUNK]
        yield part.to_csv(index=False, header=header and begin == 0, lineterminator="\n").encode()
