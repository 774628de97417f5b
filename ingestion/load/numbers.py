"""Decide which mark of a file's numbers is the decimal mark, and which groups thousands.

1,204 is twelve hundred and four, or a little more than one. What decides is the other numbers of the column, then those
of the other columns. A column whose numbers contradict each other, or that nothing decides, refuses the file.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ingestion.errors import FileRefusedError
from ingestion.sources import Column, DecimalMark

INTEGERS = {"integer": 2**31 - 1, "bigint": 2**63 - 1}
NUMBERS = frozenset({*INTEGERS, "double precision"})

# so many fractions of three digits are not an accident: one in ten would end with a zero, which programs leave out
_MANY = 30
_OTHER: dict[str, DecimalMark] = {".": ",", ",": "."}
_NAMES = {".": "point", ",": "comma"}
_GROUPED = r"[1-9]\d{0,2}"
# as many digits behind a mark leave open which kind it is
_OPEN_DIGITS = 3
# a number with marks. `open` has one mark and three digits behind it, and may be either kind.
_MARKED = re.compile(
    rf"[+-]?(?:(?P<open>{_GROUPED}(?P<open_mark>[.,])(?P<thousandths>\d{{3}}))"
    rf"|(?P<groups>{_GROUPED}(?P<group>[.,](?=\d{{3}}.)|[ '])\d{{3}}(?:(?P=group)\d{{3}})*)"
    r"(?P<rest>(?!(?P=group))[.,]\d+)?"
    r"|\d+(?P<mark>[.,])(?P<fraction>\d+))"
)


class Marks(NamedTuple):
    """How the numbers of a column are written.

    Arguments:
        decimal: the decimal mark.
        thousands: the mark between thousands, "" where there is none.

    """

    decimal: DecimalMark = "."
    thousands: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether PostgreSQL reads such numbers as they are."""
        return self == Marks()


@dataclass
class Numbers:
    """What is known of the numbers in one column.

    Arguments:
        thousands: the marks that certainly group thousands, and how many values have them.
        decimals: the marks that certainly are decimal marks, and how many values have them.
        unclear: the marks that may be either, and how many values have them.
        fractions: how many values have a fraction other than zero, by mark; those in `unclear` included.
        zero_fractions: how many values have a fraction of zeros, by mark.
        untrimmed: how many fractions end with a zero, by mark; most programs leave such zeros out.
        small: how many numbers below 1,000 have no mark.
        large: how many other numbers have no mark.

    """

    thousands: Counter[str] = field(default_factory=Counter)
    decimals: Counter[str] = field(default_factory=Counter)
    unclear: Counter[str] = field(default_factory=Counter)
    fractions: Counter[str] = field(default_factory=Counter)
    zero_fractions: Counter[str] = field(default_factory=Counter)
    untrimmed: Counter[str] = field(default_factory=Counter)
    small: int = 0
    large: int = 0

    def add(self, text: str) -> None:
        """Add one value. What is not a number has no effect.

        Arguments:
            text: the value, without blanks around it.

        """
        if text.isdecimal():
            self.add_whole(text)
            return
        whole, _, fraction = text.partition(".")
        if len(fraction) != _OPEN_DIGITS and whole.isdecimal() and fraction.isdecimal():
            # the most usual form of those that the pattern knows
            self.decimals["."] += 1
            self._add_fraction(".", fraction)
            return
        found = _MARKED.fullmatch(text)
        if not found:
            return
        if mark := found["open_mark"]:
            self.unclear[mark] += 1
            self._add_fraction(mark, found["thousandths"])
        elif group := found["group"]:
            self.thousands[group] += 1
            if rest := found["rest"]:
                self.decimals[rest[0]] += 1
                self._add_fraction(rest[0], rest[1:])
        else:
            self.decimals[found["mark"]] += 1
            self._add_fraction(found["mark"], found["fraction"])

    def add_whole(self, text: str) -> None:
        """Add one value without any mark.

        Arguments:
            text: the value: digits and nothing else.

        """
        if len(text) <= 3:  # noqa: PLR2004
            self.small += 1
        else:
            self.large += 1

    @property
    def has_marks(self) -> bool:
        """Whether a number has a mark other than a decimal point."""
        return bool(self.thousands or self.unclear or self.decimals[","])

    def _add_fraction(self, mark: str, digits: str) -> None:
        self.untrimmed[mark] += digits.endswith("0")
        (self.fractions if digits.strip("0") else self.zero_fractions)[mark] += 1


def settle_numbers(
    found: Mapping[str, Numbers], columns: Iterable[Column], *, delimiter: str, declared: DecimalMark | None
) -> dict[str, Marks]:
    """Decide how the numbers of a file's columns are written.

    Arguments:
        found: what is known of the numbers, by the name of the column.
        columns: these columns.
        delimiter: the character between fields.
        declared: the decimal mark that the file's path states, if any.

    Returns:
        The marks of the columns that are not plain, by the name of the column.

    Raises:
        FileRefusedError: the numbers of a column contradict each other, or nothing decides.

    """
    known = {column.name: column for column in columns}
    marks = {
        name: _Column(known[name], numbers, declared).settle(_decimals_elsewhere(found, name), delimiter)
        for name, numbers in found.items()
    }
    return {name: each for name, each in marks.items() if not each.is_plain}


def _decimals_elsewhere(found: Mapping[str, Numbers], name: str) -> set[str]:
    return {mark for other, numbers in found.items() if other != name for mark in numbers.decimals}


@dataclass(frozen=True)
class _Column:
    column: Column
    numbers: Numbers
    declared: DecimalMark | None

    def settle(self, elsewhere: set[str], delimiter: str) -> Marks:
        numbers = self.numbers
        decimals = set(numbers.decimals) | ({self.declared} if self.declared else set())
        thousands = set(numbers.thousands)
        for mark in numbers.unclear:
            other = _OTHER[mark]
            if mark in decimals or mark in thousands:
                continue
            if other in decimals or self._is_grouped(mark, elsewhere, delimiter):
                thousands.add(mark)
            elif self._is_decimal(mark, elsewhere, delimiter):
                decimals.add(mark)
            else:
                raise self._refusal("the mark in its numbers may be a decimal mark or group thousands")
        if len(decimals) > 1 or len(thousands) > 1 or decimals & thousands:
            raise self._refusal("its numbers are written in more than one way")
        if thousands and numbers.large:
            raise self._refusal("some of its numbers have a mark between thousands, and some do not")
        group = next(iter(thousands), "")
        decimal = next(iter(decimals), _OTHER.get(group, "."))
        return Marks("," if decimal == "," else ".", group)

    def _is_grouped(self, mark: str, elsewhere: set[str], delimiter: str) -> bool:
        """Whether an unclear mark groups thousands."""
        if elsewhere == {_OTHER[mark]}:
            return True
        if self.column.type not in INTEGERS:
            return False
        if mark == delimiter == "," and not elsewhere:
            return True
        # only the large ones of some whole numbers have a mark; were it a decimal mark, some fractions would be shorter
        is_likely = self.numbers.untrimmed[mark] > 0 or self.numbers.unclear[mark] >= _MANY
        return self.numbers.small > 0 and not self.numbers.large and is_likely

    def _is_decimal(self, mark: str, elsewhere: set[str], delimiter: str) -> bool:
        """Whether an unclear mark is a decimal mark."""
        if self.column.type in INTEGERS:
            return False
        return elsewhere == {mark} or (mark == "." and delimiter == "," and not elsewhere)

    def _refusal(self, reason: str) -> FileRefusedError:
        return FileRefusedError(
            reason,
            hint="Export the file again without marks between thousands, or put decimal_mark=point or"
            " decimal_mark=comma into the name of the file or of its folder.",
            column=self.column.header,
        )


def described(marks: Marks) -> str:
    """Return how numbers are written, for a message.

    Arguments:
        marks: the marks of a column.

    """
    names = {" ": "spaces", "'": "apostrophes", ".": "points", ",": "commas"}
    parts = [f"{names[marks.thousands]} between thousands"] if marks.thousands else []
    parts += [f"a decimal {_NAMES[marks.decimal]}"] if marks.decimal == "," else []
    return " and ".join(parts)
