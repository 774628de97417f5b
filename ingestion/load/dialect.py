"""How a file is written: its format, delimiter, quote and line end."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Format = Literal["csv", "ndjson"]


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Arguments:
        format: `csv`, or `ndjson` with one object per line.
        delimiter: the character between fields.
        quote: the character around a field.
        newline: what ends a line; a lone carriage return in files of old spreadsheets.

    """

    format: Format = "csv"
    delimiter: str = ","
    quote: str = '"'
    newline: bytes = b"\n"

    def to_json(self) -> dict[str, str]:
        """Return the dialect as the manifest stores it."""
        return asdict(self) | {"newline": self.newline.decode()}

    @classmethod
    def from_json(cls, stored: Mapping[str, str]) -> Self:
        """Return a dialect that the manifest has stored.

        Arguments:
            stored: what `to_json` returned; empty for the default.

        """
        fields: dict[str, Any] = dict(stored)
        return cls(**fields | {"newline": stored.get("newline", "\n").encode()})
