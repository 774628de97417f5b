"""Dates as a file has them, and the days that they may mean."""

import re
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, get_args

from ingestion.sources import DateOrder

ORDERS: tuple[DateOrder, ...] = get_args(DateOrder)

_YEAR_DIGITS = 4
# PostgreSQL, too, reads a two-digit year below this as one of this century
_PIVOT = 70
# as many days as 270 years have: more are not dates
_MOST_DATES = 100_000
_SEPARATOR = r"([./-])"
_FIELD = re.compile(rf"(\d{{1,4}}){_SEPARATOR}(\d{{1,2}})\2(\d{{1,4}})(?!\d)(.*)", re.DOTALL)
_IN_LINES = re.compile(
    rb"(?<![\d./-])(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?![\d./-])([ T]\d{1,2}:[\d:.]*(?: ?[AP]M)?)?"
)
_TWELVE_HOURS = re.compile(r"[ ]\d{1,2}:\d\d(?::\d\d)? [AP]M", re.IGNORECASE)
# dates that are days in one order only. Each pattern begins with a character, which the engine looks for much faster
_SURE: dict[DateOrder, re.Pattern[bytes]] = {
    "MDY": re.compile(rb"/(?:1[3-9]|2\d|3[01])/\d{4}(?!\d)"),
    "DMY": re.compile(rb"/(?<=(?:1[3-9]|2\d|3[01])/)\d\d?/\d{4}(?!\d)"),
    "YMD": re.compile(rb"-(?<=\d{4}-)\d\d?-(?:1[3-9]|2\d|3[01])(?!\d)"),
}
# a year of one digit or of three, which PostgreSQL reads as it is, with what follows it; of ISO dates, one of two, too
SHORT_YEARS = {b"/": re.compile(rb"/(?:\d|\d{3})[^\d/]"), b"-": re.compile(rb"-(?<!\d{4}-)\d\d?-\d")}
_MOST_IN_FRONT = 4
# of dates that leave the order open, a sample is enough: PostgreSQL refuses those that the order does not explain
_ALL_OF_BYTES = 1 << 16
_SAMPLE_BYTES = 1 << 12


class WrittenDate(NamedTuple):
    """A date as a file has it.

    Arguments:
        first: the digits before the first separator.
        separator: `/`, `-` or `.`.
        second: the digits between the separators.
        third: the digits after the second separator.

    """

    first: str
    separator: str
    second: str
    third: str

    @property
    def is_iso(self) -> bool:
        """Whether it begins with a year of four digits, so that it has one reading."""
        return len(self.first) == _YEAR_DIGITS

    @property
    def is_fitbits(self) -> bool:
        """Whether Fitbit and Fitabase write a date so: 4/5/2026, without leading zeros."""
        is_padded = self.first.startswith("0") or self.second.startswith("0")
        return self.separator == "/" and len(self.third) == _YEAR_DIGITS and not is_padded

    def read(self, order: DateOrder) -> date | None:
        """Return the day that this is in an order, or None where it is none.

        Arguments:
            order: the order of day, month and year. Dates with dots are never month first.

        """
        return _day(self, order)


# the files of a landing zone have the same days
@lru_cache(maxsize=4096)
def _day(written: WrittenDate, order: DateOrder) -> date | None:
    if written.is_iso or order == "YMD":
        year, month, day = written.first, written.second, written.third
    elif order == "DMY":
        day, month, year = written.first, written.second, written.third
    elif order == "MDY" and written.separator != ".":
        month, day, year = written.first, written.second, written.third
    else:
        return None
    if len(year) not in {2, _YEAR_DIGITS} or len(month) > 2 or len(day) > 2:  # noqa: PLR2004
        return None
    century = 0 if len(year) == _YEAR_DIGITS else 2000 if int(year) < _PIVOT else 1900
    try:
        return date(century + int(year), int(month), int(day))
    except ValueError:
        return None


@dataclass
class Dates:
    """The different dates in one or more columns of a file.

    Arguments:
        lines: for each date, the first line that has it; 0 where that is unknown.
        has_other_times: whether a time of day is written otherwise than 7:05:00 PM.

    """

    lines: dict[WrittenDate, int] = field(default_factory=dict)
    has_other_times: bool = False

    def add(self, text: str, line: int) -> None:
        """Add the date that a field begins with. Other fields have no effect.

        Arguments:
            text: the field.
            line: the line that it is on.

        """
        if found := _FIELD.match(text):
            *parts, time = found.groups()
            self._add(WrittenDate(*parts), time, line)

    def add_all(self, lines: bytes) -> None:
        """Add all dates of some lines.

        Arguments:
            lines: the lines, in UTF-8.

        """
        for parts in set(_IN_LINES.findall(lines)):
            *date_parts, time = (part.decode() for part in parts)
            self._add(WrittenDate(*date_parts), time, 0)

    def __or__(self, other: "Dates") -> "Dates":
        lines = dict(self.lines)
        for each, line in other.lines.items():
            lines[each] = lines.get(each) or line
        return Dates(lines, self.has_other_times or other.has_other_times)

    @property
    def separator(self) -> str | None:
        """The separator of all dates, where they are ISO dates or have slashes; None where they are of other kinds."""
        kinds = {(each.separator, each.is_iso) for each in self.lines}
        return "/" if kinds == {("/", False)} else "-" if kinds == {("-", True)} else None

    def open(self) -> list[WrittenDate]:
        """Return the dates that need an order, and are a day in at least one."""
        return [each for each in self.lines if not each.is_iso and any(each.read(order) for order in ORDERS)]

    def _add(self, found: WrittenDate, time: str, line: int) -> None:
        if found in self.lines or len(self.lines) < _MOST_DATES:
            self.lines[found] = self.lines.get(found) or line
        if time and not _TWELVE_HOURS.fullmatch(time):
            self.has_other_times = True


def orders_of(dates: list[WrittenDate]) -> list[DateOrder]:
    """Return the orders in which each of these dates is a day."""
    return [order for order in ORDERS if all(each.read(order) for each in dates)]


class Sight:
    """Gathers the dates of lines that PostgreSQL reads in one order.

    `is_sure` says whether more dates do not change the answer.

    Arguments:
        order: the order. PostgreSQL refuses a date that it does not explain.
        stops: whether one date that leaves no other order is enough.

    """

    def __init__(self, order: DateOrder, *, stops: bool = True) -> None:
        self._order: DateOrder = order
        self._stops = stops
        self._bytes = 0
        self.is_sure = False
        self.dates = Dates()

    def feed(self, lines: bytes) -> None:
        """Look at some lines.

        Arguments:
            lines: the lines, in UTF-8.

        """
        if self.is_sure:
            return
        found = sure_date(lines, self._order) if self._stops else None
        self.is_sure = found is not None
        self.dates.add_all(found or lines[: max(_SAMPLE_BYTES, _ALL_OF_BYTES - self._bytes)])
        self._bytes += len(lines)


def sure_date(lines: bytes, order: DateOrder) -> bytes | None:
    """Return a date that is a day in one order only, or None where there is none.

    Arguments:
        lines: some lines, in UTF-8.
        order: the order.

    """
    found = _SURE[order].search(lines)
    return lines[max(0, found.start() - _MOST_IN_FRONT) : found.end()] if found else None


def days_in_a_row(days: set[date]) -> float:
    """Return the share (0 to 1) of days whose next one is the day after.

    Arguments:
        days: at least two days.

    """
    gaps = [(after - before).days for before, after in pairwise(sorted(days))]
    return gaps.count(1) / len(gaps)
