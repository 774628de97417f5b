"""A simulated spreadsheet: opens a table in a locale and saves it.

What is a date or a number in that locale becomes one, and everything else stays text. This is what Excel does with a
CSV file, and it tells nobody.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from openpyxl import Workbook

from tests.dialects.writing import Cells, Dialect, Order, date_text, lines, number_text

# a whole number with more digits is shown with an exponent
_SHOWN_DIGITS = 11
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME = r"(?: (?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?(?P<half> [AP]M)?)?"
_NUMERIC = re.compile(rf"(?P<a>\d{{1,4}})(?P<mark>[/.-])(?P<b>\d{{1,2}})(?P=mark)(?P<c>\d{{1,4}}){_TIME}")
_NAMED = re.compile(
    rf"(?:(?P<day>\d{{1,2}})[ -](?P<month>[A-Z][a-z]{{2}})[ -](?P<year>\d{{4}})"
    rf"|(?P<month_>[A-Z][a-z]{{2}}) (?P<day_>\d{{1,2}}), (?P<year_>\d{{4}})){_TIME}"
)


@dataclass(frozen=True)
class Locale:
    """How a country writes dates and numbers.

    Arguments:
        name: its name.
        order: the order of day, month and year.
        date_mark: what stands between them.
        decimal: the mark before decimals.
        thousands: the mark between thousands.
        delimiter: the list separator.
        is_padded: whether the short date has two digits for days and months.
        year_digits: the digits of the year in the short date.

    """

    name: str
    order: Order
    date_mark: str
    decimal: str
    thousands: str
    delimiter: str
    is_padded: bool = True
    year_digits: Any = 4

    @property
    def is_english(self) -> bool:
        """Whether AM, PM, TRUE and the names of months are English."""
        return self.name.startswith("en")


LOCALES = (
    Locale("en-US", "MDY", "/", ".", ",", ",", is_padded=False),
    Locale("en-US, two-digit years", "MDY", "/", ".", ",", ",", is_padded=False, year_digits=2),
    Locale("en-GB", "DMY", "/", ".", ",", ","),
    Locale("de-DE", "DMY", ".", ",", ".", ";"),
    Locale("de-DE, two-digit years", "DMY", ".", ",", ".", ";", year_digits=2),
    Locale("fr-FR", "DMY", "/", ",", "\u202f", ";"),
    Locale("sv-SE", "YMD", "-", ",", "\u00a0", ";"),
    Locale("de-CH", "DMY", ".", ".", "\u2019", ";"),
)


@dataclass(frozen=True)
class Number:
    """A number in a cell.

    Arguments:
        value: its value.
        is_grouped: whether the cell shows it with its thousands.

    """

    value: Decimal
    is_grouped: bool = False


Cell = str | datetime | bool | Number
Sheet = list[list[Cell]]


def opened(texts: Cells, locale: Locale, year: int) -> Sheet:
    """Return what the cells hold after a spreadsheet has opened a table.

    Arguments:
        texts: the table.
        locale: the spreadsheet's.
        year: the present year, which dates without one get.

    """
    return [[_cell(text, locale, year) for text in row] for row in texts]


def typed(texts: Cells, values: Sequence[Sequence[Any]]) -> Sheet:
    """Return the cells of a table that a program has written as a spreadsheet.

    Arguments:
        texts: the table, with its header.
        values: the values of its first rows; further rows are texts.

    """
    rows: Sheet = [list(texts[0])]
    for row, known in zip(texts[1:], [*values, *([None] * len(texts))], strict=False):
        rows.append([_typed(text, value) for text, value in zip(row, known, strict=True)] if known else list(row))
    return rows


def as_xlsx(sheet: Sheet, titles: Sequence[str] = ()) -> bytes:
    """Return a workbook.

    Arguments:
        sheet: its only sheet.
        titles: lines above.

    """
    book = Workbook(write_only=True)
    page = book.create_sheet("Sheet1")
    for title in titles:
        page.append([title])
    for row in sheet:
        page.append([_for_openpyxl(cell) for cell in row])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def as_csv(sheet: Sheet, locale: Locale, fields: Sequence[Any], titles: tuple[str, ...] = ()) -> str:
    """Return the text of the file that the spreadsheet saves, in which each cell is as it was shown.

    Arguments:
        sheet: the sheet.
        locale: the spreadsheet's.
        fields: the columns.
        titles: lines above.

    """
    texts = [[shown(cell, locale) for cell in row] for row in sheet]
    return lines(texts, Dialect(delimiter=locale.delimiter, newline="\r\n", titles=titles), fields)


def shown(cell: Cell, locale: Locale) -> str:
    """Return what a spreadsheet shows of a cell.

    Arguments:
        cell: the cell.
        locale: the spreadsheet's.

    """
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, datetime):
        form = Dialect(
            order=locale.order, date_mark=locale.date_mark, is_padded=locale.is_padded, year_digits=locale.year_digits
        )
        return date_text(cell, form) + (f" {cell.hour}:{cell:%M}" if cell.hour or cell.minute else "")
    if isinstance(cell, Number):
        if len(cell.value.to_integral_value().as_tuple().digits) > _SHOWN_DIGITS:
            return f"{cell.value:.5E}".replace(".", locale.decimal)
        return number_text(_plain(cell.value), locale.decimal, locale.thousands if cell.is_grouped else "")
    return cell


def _plain(number: Decimal) -> Decimal:
    whole = number.to_integral_value()
    return whole if whole == number else number.normalize()


def _typed(text: str, value: Any) -> Cell:
    if isinstance(value, str) or value is None:
        return text
    if isinstance(value, datetime | bool):
        return value
    return Number(Decimal(value))


def _for_openpyxl(cell: Cell) -> Any:
    if isinstance(cell, Number):
        number = _plain(cell.value)
        return int(number) if number == number.to_integral_value() else float(number)
    return cell if cell != "" else None


def _cell(text: str, locale: Locale, year: int) -> Cell:
    if guarded := re.fullmatch(r'="(.*)"', text):
        return guarded[1]
    if locale.is_english and text.upper() in {"TRUE", "FALSE"}:
        return text.upper() == "TRUE"
    found = _date(text, locale) or _day_and_month(text, locale, year)
    return found or _number(text, locale) or text


def _number(text: str, locale: Locale) -> Number | None:
    decimal, thousands = re.escape(locale.decimal), re.escape(locale.thousands)
    if re.fullmatch(rf"-?\d+(?:{decimal}\d+)?", text):
        return Number(Decimal(text.replace(locale.decimal, ".")))
    if re.fullmatch(rf"-?\d{{1,3}}(?:{thousands}\d{{3}})+(?:{decimal}\d+)?", text):
        plain = text.replace(locale.thousands, "").replace(locale.decimal, ".")
        return Number(Decimal(plain), is_grouped=True)
    return None


def _day_and_month(text: str, locale: Locale, year: int) -> datetime | None:
    """Return the date that `6.3` is in Germany, where decimals have a comma."""
    if locale.date_mark == "." and locale.decimal == "," and (found := re.fullmatch(r"(\d{1,2})\.(\d{1,2})", text)):
        return _moment(year, int(found[2]), int(found[1]))
    return None


def _date(text: str, locale: Locale) -> datetime | None:
    if found := _NUMERIC.fullmatch(text):
        is_readable = (locale.is_english or not found["half"]) and found["mark"] in {"/", "-", locale.date_mark}
        parts = _ordered(found["a"], found["b"], found["c"], locale.order)
        return _with_time(found, *parts) if is_readable and parts else None
    if locale.is_english and (found := _NAMED.fullmatch(text)):
        month = found["month"] or found["month_"]
        if month in _MONTHS:
            return _with_time(
                found, found["year"] or found["year_"], _MONTHS.index(month) + 1, found["day"] or found["day_"]
            )
    return None


def _ordered(a: str, b: str, c: str, order: Order) -> tuple[str, str, str] | None:
    """Return year, month and day of a date as a locale reads it."""
    if len(a) == 4 or (order == "YMD" and len(a) <= 2 and len(c) == 2):
        return a, b, c
    if order == "YMD" or len(a) > 2 or len(c) not in {2, 4}:
        return None
    return (c, b, a) if order == "DMY" else (c, a, b)


def _with_time(found: re.Match[str], year: str, month: str | int, day: str) -> datetime | None:
    hour = int(found["hour"] or 0)
    if found["half"]:
        hour = hour % 12 + (12 if found["half"] == " PM" else 0)
    number = int(year)
    if len(year) <= 2:
        number += 2000 if number < 30 else 1900
    return _moment(number, int(month), int(day), hour, int(found["minute"] or 0), int(found["second"] or 0))


def _moment(*parts: int) -> datetime | None:
    try:
        return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None
