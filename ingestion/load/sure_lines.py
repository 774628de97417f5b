"""Recognise lines that PostgreSQL certainly accepts, by their form alone.

In a file with bad rows, the lines that the pattern matches still go through COPY as they are, and only the others are
judged. The pattern may match too few lines, but never a bad one: a line that it misses costs time, and a bad line that
it matches makes COPY refuse, after which every row is judged.
"""

import re

from ingestion.load.header import Header
from ingestion.sources import Column, Dataset, DateOrder

_SAFE_DIGITS = {"bigint": 18, "integer": 9, "double precision": 15}
_FRACTION = r"(?:\.\d{1,20}+)?+"
_MONTH, _DAY = "(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|1\d|2[0-8])"
# days that the month certainly has; 29 February is left to PostgreSQL
_OF_30, _OF_31 = "(?:0?[13-9]|1[0-2])", "(?:0?[13578]|1[02])"
_YEAR = r"[12]\d{3}"
_CLOCK = r":[0-5]\d(?::[0-5]\d)?"
_HOUR_24, _HOUR_12 = r"(?:[01]?\d|2[0-3])", "(?:0?[1-9]|1[0-2])"
_TIME = f"(?: {_HOUR_12}{_CLOCK} [AP]M| {_HOUR_24}{_CLOCK})?"
_ISO = rf"{_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])(?:[ T]{_HOUR_24}{_CLOCK})?"
_BOOLEAN = "[Tt]rue|[Ff]alse|TRUE|FALSE"


def certainly_good(dataset: Dataset, header: Header) -> re.Pattern[bytes] | None:
    """Return a pattern of any number of certainly good lines, or None where no line is certainly good.

    Arguments:
        dataset: the file's dataset.
        header: the file's header.

    """
    if not header.is_copyable or None in header.fields:
        return None
    fields = [_field(column, header.dialect.date_order, column.name in dataset.key) for column in header.columns]
    line = re.escape(header.dialect.delimiter).join(fields) + re.escape(header.dialect.newline.decode())
    # atomic: the engine does not backtrack into a line that has matched
    return re.compile(f"(?>{line})*+".encode())


def _field(column: Column, order: DateOrder, is_key: bool) -> str:
    if column.type == "timestamp":
        # dates of another kind are evidence that there are two
        value = _ISO if order == "YMD" else f"{_date(order)}{_TIME}"
    elif column.type == "boolean":
        value = _BOOLEAN
    elif column.type == "text":
        # any text may hold what COPY does not take as it is, such as a NUL byte
        value = "(?!)"
    else:
        value = _number(column)
    # not `(?:...)?`: that takes the engine half as long again as another branch
    return f"(?:{value})" if is_key else f"(?:{value}|)"


def _number(column: Column) -> str:
    digits = rf"\d{{1,{_SAFE_DIGITS[column.type]}}}"
    fraction = _FRACTION if column.type == "double precision" else ""
    sign, above = "", ""
    if column.minimum is None:
        sign = "-?"
    elif column.minimum > 0:
        if fraction:
            # no declared column needs this pattern
            return "(?!)"
        above = rf"(?!0*(?:{_up_to(column.minimum - 1)})(?!\d))"
    if column.maximum is None:
        # as numbers, 007 and 7 would be one participant
        zeros = r"(?!0\d)" if column.name == "user_id" else ""
        return f"{above}{sign}{zeros}{digits}{fraction}"
    if sign or column.maximum < 1:
        return "(?!)"
    return f"{above}(?:(?:{_up_to(column.maximum - 1)}){fraction}|{column.maximum})"


def _up_to(number: int) -> str:
    """Return a pattern of the whole numbers from 0 to a number."""
    text = str(number)
    shorter = [rf"\d{{1,{len(text) - 1}}}"] if len(text) > 1 else []
    lower = [
        f"{text[:place]}[0-{int(digit) - 1}]" + rf"\d{{{len(text) - place - 1}}}"
        for place, digit in enumerate(text)
        if digit != "0"
    ]
    # the most likely first
    return "|".join([*shorter, *lower, text])


def _date(order: DateOrder) -> str:
    pairs = [(_MONTH, _DAY), (_OF_30, "(?:29|30)"), (_OF_31, "31")]
    if order == "MDY":
        return "(?:" + "|".join(f"{month}/{day}" for month, day in pairs) + f")/{_YEAR}"
    return "(?:" + "|".join(f"{day}/{month}" for month, day in pairs) + f")/{_YEAR}"
