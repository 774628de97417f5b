"""Recognise single values that PostgreSQL certainly accepts, and write them as it reads them."""

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

from ingestion.load.dialect import Dialect
from ingestion.load.numbers import INTEGERS, NUMBERS
from ingestion.load.sure_lines import field_pattern
from ingestion.sources import Column

# as in `values`; a mark with three digits behind it may group thousands
_SCALABLE = r"-?[0-9]{1,12}(?:\.[0-9]{1,20})?"
_OPEN = r"[1-9][0-9]{0,2}\.[0-9]{3}"
_LARGEST_SCALED = 10**15
# more digits than any product has, so that nothing is rounded before its time
_EXACT = Context(prec=100)
_ONE = Decimal(1)


# the files of a landing zone have the same columns, written in the same ways
@lru_cache(maxsize=1024)
def sure_value(column: Column, dialect: Dialect, *, is_key: bool) -> "SureValue":
    """Return what recognises certainly good values of a column.

    Arguments:
        column: the column.
        dialect: how the file is written.
        is_key: whether a row must have a value.

    """
    return SureValue(column, dialect, is_key=is_key)


class SureValue:
    """Recognises certainly good values of a column.

    Arguments:
        column: the column.
        dialect: how the file is written.
        is_key: whether a row must have a value.

    """

    def __init__(self, column: Column, dialect: Dialect, *, is_key: bool) -> None:
        self._column = column
        self._factor = None if column.factor is None else Decimal(repr(column.factor))
        pattern = field_pattern(column, dialect, r"\Z", is_key=is_key, is_alone=True)
        if self._factor is not None:
            is_open = column.type in INTEGERS or dialect.delimiter != ","
            number = rf"(?!{_OPEN}\Z){_SCALABLE}" if is_open else _SCALABLE
            pattern = (number if is_key else f"(?:{number})?") if column.type in NUMBERS else "(?!)"
        self._pattern = re.compile(pattern, re.ASCII)
        self._none = "" if self._pattern.fullmatch("") else None

    def written(self, text: str) -> str | None:
        """Return a value as PostgreSQL reads it, None where it is not certain that it accepts it.

        Arguments:
            text: the value; "" where there is none.

        """
        if not text:
            return self._none
        if not self._pattern.fullmatch(text):
            return None
        return text if self._factor is None else self._scaled(text, self._factor)

    def _scaled(self, text: str, factor: Decimal) -> str | None:
        value = _EXACT.multiply(Decimal(text), factor)
        most = INTEGERS.get(self._column.type)
        if most is not None:
            # PostgreSQL rounds a half away from zero, too
            value = value.quantize(_ONE, ROUND_HALF_UP, _EXACT)
        low, high = self._column.minimum, self._column.maximum
        is_good = (
            abs(value) <= (most or _LARGEST_SCALED)
            and (low is None or value >= low)
            and (high is None or value <= high)
        )
        return format(value, "f") if is_good else None
