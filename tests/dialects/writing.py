"""Writes a table as text, in a dialect."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from tests.dialects.table import Field, Table

Order = Literal["MDY", "DMY", "YMD"]
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Dialect:
    """How a file is written. The defaults are those of Fitbit's exports.

    Arguments:
        order: the order of day, month and year.
        date_mark: what stands between them.
        is_padded: whether days and months have two digits.
        year_digits: 4 or 2.
        month_names: how a date with the name of its month is written, "" for none.
        clock: the hours of a clock's round.
        before_am: what stands before AM and PM.
        has_seconds: whether times have seconds.
        delimiter: the character between fields.
        quoting: which fields are quoted.
        quotes: what a quote in a text becomes: two (as RFC 4180 wants), or itself in a field without quotes, or itself
            in a field with quotes.
        decimal: the mark before decimals.
        thousands: the mark between thousands.
        encoding: the encoding, as Python names it.
        newline: what ends a line.
        ends_with_newline: whether the last line has an end.
        sep_line: whether the first line is `sep=;`.
        trailing: a delimiter after each row, or after the header as well.
        empty_lines: what stands at the end of the file, for each line: nothing, or delimiters only.
        guard: a pattern around each id.
        null: the word of a missing value.
        totals: whether the last row holds totals.
        titles: lines above the header.
        headers: how headers are written.

    """

    order: Order = "MDY"
    date_mark: str = "/"
    is_padded: bool = False
    year_digits: Literal[4, 2] = 4
    month_names: str = ""
    clock: Literal[12, 24] = 12
    before_am: str = " "
    has_seconds: bool = True
    delimiter: str = ","
    quoting: Literal["none", "minimal", "all", "texts"] = "minimal"
    quotes: Literal["doubled", "bare", "wrapped"] = "doubled"
    decimal: str = "."
    thousands: str = ""
    encoding: str = "utf-8"
    newline: str = "\n"
    ends_with_newline: bool = True
    sep_line: bool = False
    trailing: Literal["", "rows", "all"] = ""
    empty_lines: tuple[str, ...] = ()
    guard: str = "{}"
    null: str = ""
    totals: bool = False
    titles: tuple[str, ...] = ()
    headers: Literal["as declared", "lower case", "spaced"] = "as declared"


Cells = list[list[str]]


def cells(table: Table, dialect: Dialect) -> Cells:
    """Return the header and the rows of a table as texts.

    Arguments:
        table: the table.
        dialect: how to write its values.

    """
    header = [_header(field, dialect) for field in table.fields]
    rows = [
        [_text(value, field, dialect) for field, value in zip(table.fields, row, strict=True)] for row in table.rows
    ]
    return [header, *rows, *([_totals(table, dialect)] if dialect.totals else [])]


def lines(texts: Cells, dialect: Dialect, fields: Sequence[Field]) -> str:
    """Return the text of a file.

    Arguments:
        texts: the header and the rows.
        dialect: how they are written.
        fields: the columns.

    """
    header, *rows = texts
    written = [f"sep={dialect.delimiter}"] if dialect.sep_line else []
    written += dialect.titles
    width = len(header) + (dialect.trailing == "all")
    written.append(_line(header, dialect, fields) + (dialect.delimiter if dialect.trailing == "all" else ""))
    written += [_line(row, dialect, fields) + (dialect.delimiter if dialect.trailing else "") for row in rows]
    written += [kind and dialect.delimiter * (width - 1) for kind in dialect.empty_lines]
    return dialect.newline.join(written) + (dialect.newline if dialect.ends_with_newline else "")


def encoded(text: str, encoding: str) -> bytes:
    """Return the bytes of a text.

    Arguments:
        text: the text.
        encoding: as Python names it; `utf-16-be` gets a byte order mark, too.

    """
    if encoding == "utf-16-be":
        return b"\xfe\xff" + text.encode(encoding)
    return text.encode(encoding, errors="replace")


def date_text(moment: datetime, dialect: Dialect) -> str:
    """Return the date of a moment.

    Arguments:
        moment: the moment.
        dialect: how to write it.

    """
    day, month = (f"{number:02d}" if dialect.is_padded else str(number) for number in (moment.day, moment.month))
    year = str(moment.year)[-dialect.year_digits :]
    if dialect.month_names:
        return dialect.month_names.format(day=day, month=_MONTHS[moment.month - 1], year=moment.year)
    parts = {"D": day, "M": month, "Y": year}
    return dialect.date_mark.join(parts[letter] for letter in dialect.order)


def number_text(number: int | Decimal, decimal: str, thousands: str) -> str:
    """Return a number.

    Arguments:
        number: the number.
        decimal: the mark before decimals.
        thousands: the mark between thousands.

    """
    return f"{number:,}".translate({ord(","): thousands, ord("."): decimal})


def _header(field: Field, dialect: Dialect) -> str:
    if field.header == "Device" or dialect.headers == "as declared":
        return field.header
    return field.header.lower() if dialect.headers == "lower case" else f" {field.header} "


def _text(value: Any, field: Field, dialect: Dialect) -> str:
    if value is None:
        return dialect.null if field.column else ""
    if isinstance(value, datetime):
        has_time = field.meaning == "moment" or field.has_time
        return date_text(value, dialect) + (_time(value, dialect) if has_time else "")
    if isinstance(value, bool):
        return str(value)
    if field.meaning == "person":
        return dialect.guard.format(value)
    if field.meaning == "identifier" or isinstance(value, str):
        return str(value)
    return number_text(value, dialect.decimal, dialect.thousands)


def _time(moment: datetime, dialect: Dialect) -> str:
    seconds = f":{moment:%S}" if dialect.has_seconds else ""
    # `Apr 2, 2026, 7:00 PM`: these dates have a comma before the time, too
    space = ", " if "," in dialect.month_names else " "
    if dialect.clock == 12:
        return f"{space}{moment.hour % 12 or 12}:{moment:%M}{seconds}{dialect.before_am}{moment:%p}"
    return f"{space}{moment:%H:%M}{seconds}"


def _totals(table: Table, dialect: Dialect) -> list[str]:
    def total(place: int, field: Field) -> str:
        if place == 0:
            return "Total"
        if field.meaning not in {"whole", "decimal", "seconds"}:
            return ""
        return number_text(sum(row[place] or 0 for row in table.rows), dialect.decimal, dialect.thousands)

    return [total(place, field) for place, field in enumerate(table.fields)]


def _line(texts: Sequence[str], dialect: Dialect, fields: Sequence[Field]) -> str:
    if dialect.quoting == "none":
        return dialect.delimiter.join(texts)
    return dialect.delimiter.join(_quoted(text, field, dialect) for text, field in zip(texts, fields, strict=True))


def _quoted(text: str, field: Field, dialect: Dialect) -> str:
    if text.startswith('="'):
        # the program that writes guards does not quote them
        return text
    if '"' in text and dialect.quotes == "bare" and dialect.delimiter not in text:
        return text
    if '"' in text and dialect.quotes == "wrapped":
        return f'"{text}"'
    is_text = field.meaning in {"text", "day", "moment"} or text == field.header
    needs_quotes = (
        dialect.quoting == "all"
        or (dialect.quoting == "texts" and is_text)
        or any(mark in text for mark in (dialect.delimiter, '"', "\n", "\r"))
    )
    return '"' + text.replace('"', '""') + '"' if needs_quotes else text
