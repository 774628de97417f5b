"""A frozen data set for a paper: `write` writes it, and `compare` says what differs between two.

Nothing in it depends on when or where it is written, so the same state of the database gives the same bytes.
"""

from ingestion.release.comparison import Change, Comparison, StatusChanges, TableChange, compare
from ingestion.release.writing import FORMATS, Released, Wanted, write

__all__ = [
    "FORMATS",
    "Change",
    "Comparison",
    "Released",
    "StatusChanges",
    "TableChange",
    "Wanted",
    "compare",
    "write",
]
