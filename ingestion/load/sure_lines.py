"""Recognise lines that PostgreSQL certainly accepts, by their form alone.

In a file with bad rows, the lines that the pattern matches still go through COPY as they are, and only the others are
judged. The pattern may match too few lines, but never a bad one: a line that it misses costs time, and a bad line that
it matches makes COPY refuse, after which every row is judged.
"""

import re

from ingestion.load.dialect import Dialect
from ingestion.load.header import PLAIN_ID, Header
from ingestion.load.parse import TOTALS
from ingestion.load.written import NO_VALUE
from ingestion.sources import MOMENTS, Column, Dataset, DateOrder

_SAFE_DIGITS = {"bigint": 18, "integer": 9, "double precision": 15}
# [0-9] and not \d, and without a branch where none is needed: the engine then takes half the time
_FRACTION = r"(?:\.[0-9]{1,20}+|)"
_MONTH, _DAY = "(?:0?[1-9]|1[0-2])", "(?:0?[1-9]|1[0-9]|2[0-8])"
_OF_30, _OF_31 = "(?:0?[13-9]|1[0-2])", "(?:0?[13578]|1[02])"
_YEAR = "[12][0-9]{3}"
_ANY_YEAR = "(?:[12][0-9]{3}|[0-9]{2})"
# of most years that have a 29 February; those of full centuries are left to PostgreSQL
_LEAP = "(?:0[48]|[2468][048]|[13579][26])"
_CLOCK = ":[0-5][0-9](?::[0-5][0-9])?"
_HOUR_24, _HOUR_12 = "(?:[01]?[0-9]|2[0-3])", "(?:0?[1-9]|1[0-2])"
_TIME = f"(?: {_HOUR_12}{_CLOCK} [AP]M| {_HOUR_24}{_CLOCK})?"
_ISO_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    rf"|[12][0-9]{_LEAP}-02-29)"
)
_ISO = rf"{_ISO_DATE}(?:[ T]{_HOUR_24}{_CLOCK})?"
# PostgreSQL drops the offset of a moment
_OFFSET = "(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])?"
_ISO_ALONE = rf"{_ISO_DATE}(?:[ T]{_HOUR_24}:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,6}})?{_OFFSET})?)?"
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
# texts that are no values, or none of a row
_WORDS = NO_VALUE | TOTALS
_BOOLEAN = "[Tt]rue|[Ff]alse|TRUE|FALSE"


def certainly_good(dataset: Dataset, header: Header) -> re.Pattern[bytes] | None:
    """Return a pattern of any number of certainly good lines, or None where no line is certainly good.

    Arguments:
        dataset: the file's dataset.
        header: the file's header.

    """
    if not header.is_copyable or None in header.fields or any(map(_is_text, header.columns)):
        return None
    fields = [_field(column, header.dialect.date_order, column.name in dataset.key) for column in header.columns]
    line = re.escape(header.dialect.delimiter).join(fields) + re.escape(header.dialect.newline.decode())
    # atomic: the engine does not backtrack into a line that has matched
    return re.compile(f"(?>{line})*+".encode())


def field_pattern(column: Column, dialect: Dialect, end: str, *, is_key: bool, is_alone: bool = False) -> str:
    """Return a pattern of the certainly good values of a column in a row that is rewritten, none among them.

    Arguments:
        column: the column.
        dialect: how the file is written.
        end: a pattern of what follows a value.
        is_key: whether a row must have a value.
        is_alone: whether the value is looked at alone, after its offset from UTC was taken out of it.

    """
    if _is_text(column):
        words = "|".join(re.escape(word) for word in sorted(_WORDS))
        special = {dialect.delimiter, dialect.quote, '"', "\\"}
        letters = "[" + "".join(re.escape(each) for each in _VISIBLE if each not in special) + "]"
        value = rf"(?!(?i:{words}):?{end})(?=[A-Za-z0-9]){letters}++(?: ++{letters}++)*+(?={end})"
        return f"(?:{value})" if is_key else f"(?:{value}|)"
    value = _field(column, dialect.date_order, is_key, is_alone=is_alone)
    if column.type == "double precision" and dialect.delimiter != ",":
        # with another delimiter, such a point may be between thousands
        value = rf"(?![1-9]\d{{0,2}}\.\d{{3}}{end}){value}"
    return value


def _field(column: Column, order: DateOrder, is_key: bool, *, is_alone: bool = False) -> str:
    if column.type in MOMENTS:
        # dates of another kind are evidence that there are two
        iso = _ISO_ALONE if is_alone else _ISO
        value = iso if order == "YMD" else f"{_date(order, _ANY_YEAR if is_alone else _YEAR)}{_TIME}"
    elif column.type == "boolean":
        value = _BOOLEAN
    elif column.name == "user_id":
        value = PLAIN_ID
    else:
        return f"(?:{_number(column, is_key)})"
    # not `(?:...)?`: that takes the engine half as long again as another branch
    return f"(?:{value})" if is_key else f"(?:{value}|)"


def _is_text(column: Column) -> bool:
    """Whether its values are any text, so that they may hold what COPY does not take as it is, such as a NUL byte."""
    return column.type == "text" and column.name != "user_id"


def _number(column: Column, is_key: bool) -> str:
    fraction = _FRACTION if column.type == "double precision" else ""
    if column.minimum is None:
        if column.maximum is not None:
            return "(?!)"
        return f"-?{_digits(1, _SAFE_DIGITS[column.type])}{fraction}" + ("" if is_key else "|")
    above = ""
    if column.minimum > 0:
        if fraction:
            # no declared column needs this pattern
            return "(?!)"
        above = rf"(?!0*(?:{'|'.join(_up_to(column.minimum - 1))})(?![0-9]))"
    # no digits are no value: one repetition in place of a branch
    fewest = 1 if is_key else 0
    if column.maximum is None:
        return f"{above}{_digits(fewest, _SAFE_DIGITS[column.type])}{fraction}"
    if column.maximum < 1:
        return "(?!)"
    lower = "|".join(_up_to(column.maximum - 1, fewest))
    return f"{above}(?:(?:{lower}){fraction}|{column.maximum})" if fraction else f"{above}(?:{lower}|{column.maximum})"


def _digits(fewest: int, most: int) -> str:
    return f"[0-9]{{{fewest},{most}}}+"


def _up_to(number: int, fewest: int = 1) -> list[str]:
    """Return patterns of the whole numbers from 0 to a number, the most likely first.

    Arguments:
        number: the number.
        fewest: 0 to match no digits, too.

    """
    text = str(number)
    lower = [
        f"{text[:place]}[0-{int(digit) - 1}]" + f"[0-9]{{{len(text) - place - 1}}}"
        for place, digit in enumerate(text)
        if digit != "0"
    ]
    # where there is but one digit, the repetition is only for none
    shorter = [_digits(fewest, len(text) - 1)] if len(text) > 1 or not fewest else []
    return [*shorter, *lower, text]


def _date(order: DateOrder, year: str) -> str:
    pairs = [(_MONTH, _DAY), (_OF_30, "(?:29|30)"), (_OF_31, "31")]
    leap = f"(?:[12][0-9])?{_LEAP}" if year == _ANY_YEAR else f"[12][0-9]{_LEAP}"
    if order == "MDY":
        days = "|".join(f"{month}/{day}" for month, day in pairs)
        return f"(?:(?:{days})/{year}|0?2/29/{leap})"
    days = "|".join(f"{day}/{month}" for month, day in pairs)
    return f"(?:(?:{days})/{year}|29/0?2/{leap})"
