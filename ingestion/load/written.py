"""How the values of one column are written: cleaning that needs no evidence, and evidence for the rest."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingestion.load.dates import Dates
from ingestion.load.numbers import INTEGERS, NUMBERS, Numbers
from ingestion.sources import MOMENTS, Column

# what programs write where there is no value
NO_VALUE = frozenset({"na", "n/a", "#n/a", "null", "none", "nan", "-", "--"})
# a spreadsheet's guards against reading a value as a number: ="0123" and '0123
_GUARDS = frozenset({"=", "'", '"'})
_GUARDED = re.compile(r'="(.*)"|=?"(.*)"|\'(.*)', re.DOTALL)
# narrow and other no-break spaces, thin spaces, and a typographic apostrophe
_PLAIN = str.maketrans({"\u202f": " ", "\u00a0": " ", "\u2009": " ", "\u2007": " ", "\u2019": "'"})


def is_no_value(text: str) -> bool:
    """Whether a text stands for no value: nothing, or a word like NA."""
    return not text or text.lower() in NO_VALUE


@dataclass
class Written:
    """How the values of a column are written, as far as they were read.

    Arguments:
        column: the column.
        is_key: whether a row must have it, so that its values are taken exactly.
        dates: its dates.
        numbers: its numbers.
        guards: how many values had a spreadsheet's guard.
        words: how many values were a word for no value.

    """

    column: Column
    is_key: bool
    dates: Dates = field(default_factory=Dates)
    numbers: Numbers = field(default_factory=Numbers)
    guards: int = 0
    words: int = 0

    @property
    def has_numbers(self) -> bool:
        """Whether its values are numbers that may have marks."""
        return self.column.type in NUMBERS and not self.is_key

    def __post_init__(self) -> None:
        self._may_have_marks = self.has_numbers
        self._is_moment = self.column.type in MOMENTS
        self._is_text = self.column.type == "text"

    def clean(self, text: str, line: int) -> str:
        """Return a value without what programs put around it, "" for a word that means no value.

        Arguments:
            text: the value.
            line: the line that it is on.

        """
        if self._may_have_marks and text.isdecimal() and text.isascii():
            # most values, and nothing else can be known of them
            self.numbers.add_whole(text)
            return text
        text = text.strip()
        if text[:1] in _GUARDS and (found := _GUARDED.fullmatch(text)):
            text = next(inner for inner in found.groups() if inner is not None).strip()
            self.guards += 1
        # a text is taken as it is written: two ids may differ in such a character alone
        if not self._is_text and not text.isascii():
            text = text.translate(_PLAIN)
        if self._is_moment:
            self.dates.add(text, line)
        elif self._may_have_marks:
            self.numbers.add(text)
        if text and not self.column.required and is_no_value(text):
            self.words += 1
            return ""
        return text

    def remarks(self, decimal: str) -> Iterator[str]:
        """Yield what was understood otherwise than it is written.

        Arguments:
            decimal: the decimal mark of the column.

        """
        header = self.column.header
        if self.words:
            yield f"{self.words:,} words like NA in {header} mean no value"
        if self.guards:
            yield f'{self.guards:,} values of {header} are guarded for a spreadsheet, like ="0123"'
        if self.column.type not in INTEGERS or self.column.factor:
            return
        if zeros := self.numbers.zero_fractions[decimal]:
            yield f"{header} has {zeros:,} whole numbers written like 1.0"
        if rounded := self.numbers.fractions[decimal]:
            yield f"{rounded:,} fractions in {header} are rounded to whole numbers"
