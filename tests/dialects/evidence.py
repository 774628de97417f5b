"""What a file proves about its dates and numbers, and where nothing can prove anything.

Two questions are answered here. Which files are plain, so that refusing them would be too strict? And which files are,
byte for byte, also plain files of another table, so that no reader can be right about both?
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tests.dialects.spreadsheet import Number, Sheet
from tests.dialects.table import Table
from tests.dialects.writing import Cells, Dialect, Order

# that many days in a row are no accident
RUN = 3
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_NUMERIC = re.compile(r"(\d{1,4})([/.-])(\d{1,2})\2(\d{1,4})(?: .*|T.*)?")
# how Fitbit writes a date, and nobody else
_OWN = re.compile(r"[1-9]\d?/[1-9]\d?/\d{4}(?: (?:[1-9]|1[0-2]):\d\d:\d\d[ \u00a0\u202f]?[AP]M)?")
_NAMED = re.compile(r"(?:(\d{1,2})[ -]([A-Z][a-z]{2})[ -](\d{4})|([A-Z][a-z]{2}) (\d{1,2}), (\d{4})).*", re.DOTALL)


@dataclass(frozen=True)
class Circumstances:
    """What is known of a file besides its bytes.

    Arguments:
        declared: the declared order of its dataset.
        written_on: the day on which it was written.
        named: the dates in its name: none, the date of one of its days or the next one, or its first and last day.
        earlier: the order of an earlier file of the same folder, None without one.

    """

    declared: Order
    written_on: date
    named: tuple[date, ...] = ()
    earlier: Order | None = None


def standard_reading(
    dates: Sequence[str | datetime], around: Circumstances, *, is_beyond_doubt: bool = False
) -> list[date] | None:
    """Return the days of a column that a reader may accept, or None where something speaks against them.

    These are: real dates and ISO dates, dotted dates day-first, dates with the names of months, and slashes in the
    declared order where a day above 12, days in a row, or the very form of the device confirms it. All cells have to be
    of one kind, and nothing may speak against it: a day after the file was written, a date in its name, an earlier
    file, or days that are in a row in another order. Nobody has to accept years of two digits.

    Arguments:
        dates: the cells of the column.
        around: what else is known.
        is_beyond_doubt: return only what every reader has to accept. Between this and what a reader may accept are
            columns of which only some days are in a row.

    """
    kinds = {_form(cell) for cell in dates}
    form = kinds.pop()
    order: Order = "YMD" if form == "iso" else around.declared if form == "slashes" else "DMY"
    read = _all([_day(cell, order) for cell in dates])
    if kinds or form == "other" or read is None or (form == "short dots" and is_beyond_doubt):
        return None
    rival = None if form == "named" else _all([_swapped(day) for day in read])
    if form == "short dots" and (year_first := _all([_day(cell, "YMD") for cell in dates])):
        rival = max(rival or year_first, year_first, key=share_in_a_row)
    is_own = form == "slashes" and all(_OWN.fullmatch(str(cell)) for cell in dates)
    is_open = form == "slashes" and not is_own and share_in_a_row(read) < (0.9 if is_beyond_doubt else 0.5)
    is_rival_likely = rival and (is_open or share_in_a_row(rival) >= (0.3 if is_beyond_doubt else 0.5))
    is_of_other_order = form in {"slashes", "short dots"} and rival and around.earlier not in {None, order}
    is_impossible = max(read) > around.written_on + timedelta(days=1)
    is_doubtful = is_rival_likely or is_of_other_order or is_impossible or not _fits_name(read, around.named)
    return None if is_doubtful else read


def _fits_name(days: Sequence[date], named: tuple[date, ...]) -> bool:
    slack = timedelta(days=1)
    if len(named) == 1:
        return any(abs(day - named[0]) <= slack for day in days)
    return not named or (named[0] - slack <= min(days) and max(days) <= named[1] + slack)


def share_in_a_row(days: Sequence[date]) -> float:
    """Return the share of days (0 to 1) whose next one is the day after; 0 where there are fewer than three.

    Arguments:
        days: the days, in any order.

    """
    known = sorted(set(days))
    steps = [(after - before).days for before, after in pairwise(known)]
    return steps.count(1) / len(steps) if len(known) >= RUN else 0.0


def is_lost(table: Table, dates: Sequence[str | datetime], around: Circumstances) -> bool:
    """Return whether a file with these dates is also a file of other days, against which nothing speaks.

    Arguments:
        table: the truth.
        dates: the cells of the column with the day.
        around: what else is known.

    """
    read = standard_reading(dates, around)
    return read is not None and read != [moment.date() for moment in table.moments]


def has_lost_numbers(table: Table, sheet: Sheet) -> bool:
    """Return whether a spreadsheet has changed numbers of a column, and left nothing in the column that shows it.

    What shows it: cells that became dates, numbers that stayed texts, or, in a column of whole numbers, decimals that
    may all be thousands.

    Arguments:
        table: the truth.
        sheet: what the spreadsheet made of it.

    """
    for place, field in enumerate(table.fields):
        if field.meaning not in {"whole", "decimal", "seconds"} or not field.column:
            continue
        found = [row[place] for row in sheet[1 : len(table.rows) + 1]]
        pairs = zip(found, (row[place] for row in table.rows), strict=True)
        if not any(isinstance(cell, Number) and cell.value != Decimal(value or 0) for cell, value in pairs):
            continue
        has_dates = any(isinstance(cell, datetime) for cell in found)
        has_texts = any(isinstance(cell, str) and any(letter.isdigit() for letter in cell) for cell in found)
        parts = [cell.value for cell in found if isinstance(cell, Number) and cell.value % 1]
        are_thousands = parts and field.meaning != "decimal" and all(_may_be_thousands(part) for part in parts)
        if not (has_dates or has_texts or are_thousands):
            return True
    return False


def has_lost_fields(texts: Cells, dialect: Dialect) -> bool:
    """Return whether a number that holds a delimiter, without quotes, looks like two fields of a complete row.

    All rows then have one field more than the header, and the last one is empty: that is also a file with a delimiter
    after each row.

    Arguments:
        texts: the header and the rows.
        dialect: how they are written.

    """
    if dialect.quoting != "none":
        return False
    width = len(texts[0]) + (dialect.trailing == "all") + 1
    rows = [[*row, *([""] if dialect.trailing else [])] for row in texts[1:]]
    split = [dialect.delimiter.join(row).split(dialect.delimiter) for row in rows]
    return any(row != found for row, found in zip(rows, split, strict=True)) and all(
        len(found) == width and not found[-1] for found in split
    )


def _may_be_thousands(number: Decimal) -> bool:
    return re.fullmatch(r"\d{1,3}\.\d{3}", str(number.normalize())) is not None


def _form(cell: Any) -> str:
    if isinstance(cell, datetime):
        return "iso"
    if found := _NUMERIC.fullmatch(cell):
        first, mark, _, last = found.groups()
        if len(first) == 4:
            return "iso" if mark == "-" and re.match(r"\d{4}-\d\d-\d\d(?!\d)", cell) else "other"
        if len(last) != 4:
            return "short dots" if mark == "." and len(first) <= 2 and len(last) <= 2 else "other"
        return "dots" if mark == "." else "slashes" if mark == "/" else "other"
    return "named" if _NAMED.fullmatch(cell) else "other"


def _day(cell: str | datetime, order: Order) -> date | None:
    if isinstance(cell, datetime):
        return cell.date()
    if found := _NAMED.fullmatch(cell):
        day, name, year = (found[1], found[2], found[3]) if found[1] else (found[5], found[4], found[6])
        return _date(int(year), _MONTHS.index(name) + 1, int(day)) if name in _MONTHS else None
    found = _NUMERIC.fullmatch(cell)
    if not found:
        return None
    parts = dict(zip(order, (int(found[1]), int(found[3]), int(found[4])), strict=True))
    century = 2000 if parts["Y"] < 100 else 0
    return _date(century + parts["Y"], parts["M"], parts["D"])


def _all(days: list[date | None]) -> list[date] | None:
    found = [day for day in days if day]
    return found if len(found) == len(days) else None


def _swapped(day: date) -> date | None:
    return _date(day.year, day.day, day.month)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
