"""Offsets from UTC that stand behind a moment: `2026-03-05T04:00:00-05:00` is 04:00 on a clock five hours west."""

import re
from typing import NamedTuple

from ingestion.sources import Clock

# what `_offset` has where the clock is UTC's, whatever the person's is; +00:00 is that of a person in London
UTC_CLOCK = 24 * 60
# what stands for an offset that cannot be read, or that no clock has
NO_OFFSET = "?"

# what lines with times have besides text and numbers; only lines with something else may have an offset
_PLAIN = b'0123456789:/,;|.- \t\r\n"TAPMapm'
# PostgreSQL drops an offset without a word. This may match too much: a line that it matches is judged
_IN_LINES = re.compile(rb":\d\d(?:\.\d+)?[ ]?(?:[AP]M)?[ ]?(?![AP]M)[A-Z+\-]|\d[Z]|\d[+\-]\d\d:?\d\d", re.IGNORECASE)

_WEST, _EAST = -12 * 60, 14 * 60
_TIME = re.compile(
    r"(?:(?<=[ T])|(?<=^\d{8}T)|^)(?:\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?|(?<=T)\d{4}(?:\d\d(?:\.\d+)?)?)"
    r"(?:\s?[AP]\.?M\b\.?)?",
    re.IGNORECASE,
)
_DATE_ONLY = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}")
# what may follow a time without being an offset: a year, a date, an era
_NO_ZONE = re.compile(r"|\d{4}|\d{1,4}([./-])\d{1,2}\1\d{1,4}|AD|BC", re.IGNORECASE)
# the year of `Thu Mar 05 04:00:00 CET 2026`, and a name such as [Europe/Berlin] or (Central European Time)
_TAIL = re.compile(r"(.*?)((?: \d{4})?)(?:\s?\[[^\]]*\]|\s?\([^)]*\))?", re.DOTALL)
_NUMERIC = re.compile(r"(?:UTC|GMT)?\s?([+\u2212-])(\d{1,2})(?::?([0-5]\d))?(?::?00)?", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]+")
_OF_DATES = frozenset(
    [
        "jan",
        "feb",
        "mar",
        "apr",
        "may",
        "jun",
        "jul",
        "aug",
        "sep",
        "oct",
        "nov",
        "dec",
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
        "am",
        "pm",
        "ad",
        "bc",
        "t",
    ]
)
# as PostgreSQL reads them; others, such as IST, have several meanings
_NAMED = {
    "Z": UTC_CLOCK,
    "UTC": UTC_CLOCK,
    "GMT": UTC_CLOCK,
    "WET": 0,
    "WEST": 60,
    "CET": 60,
    "CEST": 120,
    "MEZ": 60,
    "MESZ": 120,
    "EET": 120,
    "EEST": 180,
    "EST": -300,
    "EDT": -240,
    "CST": -360,
    "CDT": -300,
    "MST": -420,
    "MDT": -360,
    "PST": -480,
    "PDT": -420,
}


class Moment(NamedTuple):
    """A moment as a file has it.

    Arguments:
        text: the time on the clock, without the offset.
        offset: the offset in minutes east of UTC, as text; `UTC_CLOCK`, where the clock is UTC's; "" where the file
            has none; `NO_OFFSET`, where it is none.

    """

    text: str
    offset: str


def split_offset(text: str) -> Moment:
    """Split a moment into the time on the clock and its offset.

    Arguments:
        text: the moment.

    """
    time = _TIME.search(text)
    if not time:
        return _of_date(text)
    before, after = text[: time.end()], text[time.end() :].strip()
    if _NO_ZONE.fullmatch(after):
        return Moment(text, "")
    parts = _TAIL.fullmatch(after)
    zone, year = parts.groups() if parts else (after, "")
    return Moment(before + year, _offset(zone.strip()))


def _of_date(text: str) -> Moment:
    """Split what has no time: a date may have an offset, too."""
    date = _DATE_ONLY.match(text)
    if date and (offset := _offset(text[date.end() :].strip())) != NO_OFFSET:
        return Moment(date[0], offset)
    words = {word[:3].lower() for word in _WORDS.findall(text)}
    return Moment(text, "" if words <= _OF_DATES and "+" not in text else NO_OFFSET)


def _offset(zone: str) -> str:
    named = _NAMED.get(zone.upper())
    if named is not None:
        return str(named)
    found = _NUMERIC.fullmatch(zone)
    if not found:
        return NO_OFFSET
    sign, hours, minutes = found.groups()
    size = int(hours) * 60 + int(minutes or 0)
    east = size if sign == "+" else -size
    if not size and sign != "+":
        # RFC 3339: the time in UTC is known, and the clock of the place is not
        return str(UTC_CLOCK)
    return str(east) if _WEST <= east <= _EAST else NO_OFFSET


def offset_of(clock: Clock) -> int | None:
    """Return the offset of times that are written without one, by the clock of their layout."""
    return UTC_CLOCK if clock == "UTC" else None


def may_have_offsets(lines: bytes, separator: bytes = b"") -> bool:
    """Whether some lines may have a moment with an offset. It is fast where they have only dates, times and numbers.

    Arguments:
        lines: the lines, in UTF-8.
        separator: what their dates have between their parts.

    """
    is_plain = not lines.translate(None, _PLAIN) and not any(zone in lines for zone in (b"MT", b"PT"))
    if is_plain and (separator == b"-" or b"-" not in lines):
        return False
    return _IN_LINES.search(lines) is not None
