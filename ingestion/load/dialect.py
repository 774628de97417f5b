"""How a file is written: its format, delimiter, quote, line end, dates and numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from ingestion.load.numbers import Marks
from ingestion.sources import Clock, DateOrder

Format = Literal["csv", "ndjson"]


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Arguments:
        format: `csv`, or `ndjson` with one object per line.
        delimiter: the character between fields.
        quote: the character around a field.
        newline: what ends a line; a lone carriage return in files of old spreadsheets.
        has_trailing_delimiter: whether each row has a delimiter at its end that the header does not have.
        date_order: the order of day, month and year.
        date_evidence: how the order was found.
        is_date_order_certain: whether no other order is possible, so that it is evidence for other files.
        is_date_order_usual: whether the file's device writes dates so.
        marks: the marks of the columns whose numbers are not written as PostgreSQL expects, by the column's name.
        clock: the clock of its times.

    """

    format: Format = "csv"
    delimiter: str = ","
    quote: str = '"'
    newline: bytes = b"\n"
    has_trailing_delimiter: bool = False
    date_order: DateOrder = "MDY"
    date_evidence: str = ""
    is_date_order_certain: bool = False
    is_date_order_usual: bool = True
    # a dialect with marks equals others with the same, and is a key without them
    marks: Mapping[str, Marks] = field(default_factory=dict, hash=False)
    clock: Clock = "local"

    @property
    def is_plain(self) -> bool:
        """Whether COPY can read the numbers, and the fields of each row."""
        return not self.marks and not self.has_trailing_delimiter

    def reads_like(self, other: "Dialect") -> bool:
        """Whether the same text has the same values in another dialect."""
        return (self.date_order, dict(self.marks)) == (other.date_order, dict(other.marks))

    def to_json(self) -> dict[str, Any]:
        """Return the dialect as the manifest stores it."""
        marks = {name: list(each) for name, each in self.marks.items()}
        return vars(self) | {"newline": self.newline.decode(), "marks": marks}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return a dialect that the manifest has stored.

        Arguments:
            stored: what `to_json` returned; empty for the default. Older versions stored fewer keys.

        """
        marks = {name: Marks(*each) for name, each in stored.get("marks", {}).items()}
        return cls(**dict(stored) | {"newline": stored.get("newline", "\n").encode(), "marks": marks})


def datestyle(order: DateOrder) -> str:
    """Return PostgreSQL's setting for dates in an order.

    Arguments:
        order: the order of day, month and year.

    """
    return f"ISO, {order}"
