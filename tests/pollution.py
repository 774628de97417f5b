"""Polluted CSV files: one small file, changed in the ways that the Pollock benchmark describes.

The kinds follow G. Vitagliano et al., "Pollock: A Data Loading Benchmark" (VLDB 2023), which found them in 3,712 public
files. All files here are made from the descriptions; none is taken from the benchmark.
"""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

HEADER = (
    "Id",
    "ActivityDate",
    "TotalSteps",
    "VeryActiveMinutes",
    "FairlyActiveMinutes",
    "LightlyActiveMinutes",
    "SedentaryMinutes",
    "Calories",
    "Device",
)
_TEXTS = ("band", "watch, left", '2" band')
_FIRST = datetime(2016, 4, 13)  # noqa: DTZ001  (devices write local times)

Row = tuple[Any, ...]


def row_of(person: int, day: int) -> Row:
    """Return a row that no other person or day has.

    Arguments:
        person: the person.
        day: how many days after the first.

    """
    number = person * 20 + day
    # some below 1,000, so that thousands have their mark in some rows only
    steps, calories = 300 * (number - 19) + day, 1900 + 11 * number
    moment = _FIRST + timedelta(days=day)
    return (person, moment, steps, 10 + number, 120 + number, 250 + number, 900 + number, calories, _TEXTS[day % 3])


ROWS = tuple(row_of(person, day) for person in (1, 2, 3) for day in range(4))


def texts_of(row: Row) -> list[str]:
    """Return the fields of a row as Fitbit writes them."""
    return [f"{value.month}/{value.day}/{value.year}" if isinstance(value, datetime) else str(value) for value in row]


def line_of(fields: list[str] | tuple[str, ...], delimiter: str = ",", **options: Any) -> str:
    """Return fields as a line without its end."""
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter, lineterminator="", **options).writerow(fields)
    return line.getvalue()


LINES = (line_of(HEADER), *(line_of(texts_of(row)) for row in ROWS))


@dataclass(frozen=True)
class Polluted:
    """A polluted file.

    Arguments:
        content: its bytes.
        truth: the rows that it says, of which some may be unreadable.
        name: its name.
        rows_per_line: how many rows a bad line may hold.

    """

    content: bytes
    truth: tuple[Row, ...] = ROWS
    name: str = "daily_activity.csv"
    rows_per_line: int = 1


@dataclass(frozen=True)
class Pollution:
    """A kind of pollution.

    Arguments:
        level: what of the file it changes.
        name: what the file has, for the table in the docs.
        files: files that have it.
        must_load: whether all rows have to load.

    """

    level: str
    name: str
    files: tuple[Polluted, ...] = field(repr=False)
    must_load: bool = False


def pollutions() -> list[Pollution]:
    """Return all kinds."""
    return [
        *(Pollution("file", *rest) for rest in _of_the_file()),
        *(Pollution("table", *rest) for rest in _of_the_table()),
        *(Pollution("row", *rest) for rest in _of_rows()),
        *(Pollution("column", *rest) for rest in _of_columns()),
    ]


_Kind = tuple[str, tuple[Polluted, ...], bool]


def _file(lines: list[str] | tuple[str, ...], truth: tuple[Row, ...] = ROWS, end: str = "\n") -> Polluted:
    return Polluted("".join(line + end for line in lines).encode(), truth)


def _written(lines: Callable[[list[str]], str], truth: tuple[Row, ...] = ROWS, end: str = "\n") -> Polluted:
    return _file([lines(list(HEADER)), *(lines(texts_of(row)) for row in ROWS)], truth, end)


def _of_the_file() -> Iterator[_Kind]:
    text = "".join(f"{line}\n" for line in LINES)
    yield "no bytes", (Polluted(b"", ()),), False
    yield "line ends only", (Polluted(b"\n\n\n", ()),), False
    yield "no header", (_file(LINES[1:]),), False
    yield "a header and no rows", (_file(LINES[:1], ()),), True
    yield "a header and one row", (_file(LINES[:2], ROWS[:1]),), True
    yield "no line end after the last row", (Polluted(text[:-1].encode()),), True
    yield "several line ends after the last row", (Polluted(f"{text}\n\n".encode()),), True
    yield "CRLF or CR as line ends", (_file(LINES, end="\r\n"), _file(LINES, end="\r")), True
    yield (
        "line ends of two kinds",
        tuple(
            Polluted(
                "".join(line + (odd if place == at else "\n") for place, line in enumerate(LINES)).encode(),
                rows_per_line=2,
            )
            for at in (0, 1, 6)
            for odd in ("\r\n", "\r", "\n\r")
        ),
        False,
    )
    marked = [text.encode(name) for name in ("utf-8-sig", "utf-16")]
    yield (
        "UTF-8 or UTF-16 with a byte order mark",
        tuple(Polluted(content) for content in (*marked, b"\xfe\xff" + text.encode("utf-16-be"))),
        True,
    )
    yield (
        "UTF-16 or UTF-32 without a mark",
        tuple(Polluted(text.encode(name)) for name in ("utf-16-le", "utf-16-be", "utf-32-le")),
        False,
    )
    strange = text.replace("band", "Küche")
    truth = tuple((*row[:-1], row[-1].replace("band", "Küche")) for row in ROWS)
    yield (
        "another encoding than UTF-8",
        tuple(Polluted(strange.encode(name), truth) for name in ("cp1252", "latin-1", "mac-roman", "cp437")),
        False,
    )
    yield (
        "another delimiter: semicolons, tabs, bars",
        tuple(_written(partial(line_of, delimiter=mark)) for mark in ";\t|"),
        True,
    )
    yield (
        "a delimiter that is not supported",
        tuple(_written(partial(line_of, delimiter=mark)) for mark in " ^#~"),
        False,
    )
    yield "a space after each delimiter", (_written(lambda fields: ", ".join(map(_minimal, fields))),), False
    yield "quotes around all fields", (_written(lambda fields: line_of(fields, quoting=csv.QUOTE_ALL)),), True
    yield (
        "apostrophes instead of quotes",
        (
            _written(lambda fields: line_of(fields, quotechar="'")),
            _written(lambda fields: line_of(fields, quotechar="'", quoting=csv.QUOTE_ALL)),
        ),
        False,
    )
    yield (
        "quotes that are escaped with a backslash",
        (
            _written(lambda fields: line_of(fields, doublequote=False, escapechar="\\")),
            _written(lambda fields: line_of(fields, doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)),
        ),
        False,
    )
    yield (
        "quotes that are not escaped",
        (
            _written(lambda fields: ",".join(f'"{text}"' for text in fields)),
            _written(lambda fields: ",".join(f'"{text}"' if "," in text else text for text in fields)),
        ),
        False,
    )
    yield "no quotes around delimiters", (_written(",".join),), False


def _of_the_table() -> Iterator[_Kind]:
    header, *rows = LINES
    few = ("Study 12", "exported on 1 May 2016 by the tool, version 2.1", "")
    yield "lines above the header, up to 9", tuple(_file([*above, *LINES]) for above in (few[:1], few, few * 3)), True
    yield "more lines above the header", (_file([*few * 4, *LINES]),), False
    yield (
        "notes below the rows",
        (
            _file([*LINES, "Source: the devices"]),
            _file([*LINES, "", "* as worn, on the left", "end"]),
        ),
        False,
    )
    yield "a line of totals", (_file([*LINES, "Total,,120000,,,,,24000,"]),), True
    yield "the header twice", (_file([header, *LINES]), _file([*LINES[:7], header, *LINES[7:]])), False
    units = ",,count,min,min,min,min,kcal,"
    parts = ",,Total,Very,Fairly,Lightly,Sedentary,,"
    yield (
        "a header of several lines",
        (
            _file([header, units, *rows]),
            _file([parts, header, *rows]),
            _file([parts, header, units, *rows]),
        ),
        False,
    )
    yield (
        "a header with more columns than the rows",
        tuple(_file([header + more, *rows]) for more in (",Note", ",Note,,Place")),
        False,
    )
    yield (
        "a header with fewer columns than the rows",
        (
            _file([header.removesuffix(",Device"), *rows]),
            _file([header.replace("Calories,", ""), *rows]),
        ),
        False,
    )
    yield "a column twice", (_file([f"{header},TotalSteps", *(f"{row},1" for row in rows)]),), False
    yield "a column without a name", (_file([f"{header},", *(f"{row},x" for row in rows)]),), True
    yield "columns in another order", (_written(lambda fields: line_of(fields[::-1])),), True
    other = [row_of(4, day) for day in range(3)]
    more = [line_of(texts_of(row)) for row in other]
    whole = (*ROWS, *other)
    yield (
        "a second table with the same columns",
        (
            _file([*LINES, "", header, *more], whole),
            _file([*LINES, header, *more], whole),
            _file([*LINES, "", "Group B", "", header, *more], whole),
        ),
        False,
    )
    swapped = [0, 1, 2, 4, 3, 5, 6, 7, 8]

    def permuted(fields: list[str]) -> str:
        return line_of([fields[place] for place in swapped])

    second = [permuted(list(HEADER)), *(permuted(texts_of(row)) for row in other)]
    yield (
        "a second table with the columns in another order",
        (
            _file([*LINES, "", *second], whole),
            _file([*LINES, *second], whole),
        ),
        False,
    )
    nights = ["Id,SleepDay,TotalMinutesAsleep", *(f"{person},4/13/2016,400" for person in (1, 2, 3))]
    wide = [f"{header},A,B,C", *(f"{line},1,2,3" for line in more)]
    yield (
        "a second table with fewer or more columns",
        (
            _file([*LINES, "", *nights]),
            _file([*LINES, *nights]),
            _file([*LINES, "", *wide], whole),
        ),
        False,
    )
    yield (
        "a second table beside the first",
        (_file([f"{line},,{other}" for line, other in zip(LINES, [*nights, *[",,"] * 9], strict=True)]),),
        False,
    )
    yield "300 undeclared columns", (_with_columns(300),), True
    yield "2,000 undeclared columns", (_with_columns(2000),), False
    yield "20,000 rows", (_file(LINES + LINES[1:] * 1666, ROWS * 1667),), True
    yield "a text of 1 MB", (_file([header, rows[0][: -len("band")] + "x" * (1 << 20), *rows[1:]], _long(ROWS)),), True
    yield "one column", (_file(["Id", *(str(row[0]) for row in ROWS)], ()),), False


def _of_rows() -> Iterator[_Kind]:
    yield "a delimiter missing in the header", tuple(_less(0, place) for place in range(8)), False
    yield "a delimiter missing in a row", tuple(_less(row, place) for row in (1, 12) for place in range(8)), False
    yield "a delimiter too many in the header", tuple(_more(0, place) for place in range(9)), False
    yield "a delimiter too many in a row", tuple(_more(row, place) for row in (1, 12) for place in range(9)), False
    yield "a delimiter too many at the end of a row", tuple(_more(row, 9) for row in (1, 7, 12)), False
    yield "a delimiter after each row", (_file([LINES[0], *(f"{line}," for line in LINES[1:])]),), True
    yield "a quote too many in the header", tuple(_quote(0, place, at) for place in range(9) for at in (0, 1)), False
    yield (
        "a quote too many in a row",
        tuple(_quote(row, place, at) for row in (7, 12) for place in range(8) for at in (0, 1, -1)),
        False,
    )
    yield "two quotes too many, in two rows", tuple(_two_quotes(place) for place in range(8)), False
    yield (
        "another delimiter in one row",
        tuple(
            _changed(row, LINES[row].replace(",", mark))
            for row in (0, 1, 7, 12)
            for mark in ("; ", ";", "\t", "|", " ", ", ")
        ),
        False,
    )
    yield "two rows on one line", tuple(_joined(row) for row in (1, 7, 11)), False
    yield "a row on two lines", tuple(_broken(row, place) for row in (1, 12) for place in range(1, 9)), False
    yield (
        "a row that ends early",
        tuple(_changed(row, LINES[row][:size]) for row in (1, 7, 12) for size in (1, 9, 20, 30)),
        False,
    )
    yield (
        "empty lines, and lines of delimiters, between rows",
        (
            _file([*LINES[:5], "", *LINES[5:]]),
            _file([*LINES[:5], "", " ", ",,,,,,,,", *LINES[5:], ",,,,,,,,"]),
        ),
        True,
    )
    yield "a comment between rows", (_file([*LINES[:5], "# battery empty", *LINES[5:]]),), False


def _of_columns() -> Iterator[_Kind]:
    yield 'quoted thousands: `"9,123"`', (_with_steps("{:,}"),), True
    yield (
        "other marks between thousands: spaces, apostrophes",
        tuple(Polluted(_with_steps("{:,}", mark).content) for mark in (" ", "\u00a0", "\u202f", "'")),
        True,
    )
    yield "dots between thousands: `9.123`", (_with_steps("{:,}", "."),), False
    yield "whole numbers with decimals: `9123.0`", (_with_steps("{}.0"), _with_steps("{}.00")), True
    yield 'decimal commas: `"9123,0"`', (_with_steps("{},0"),), False
    yield "spaces around numbers", (_with_steps(" {} "),), False
    yield (
        "signs, exponents and units: `+9123`, `9.123E3`, `9123 steps`",
        tuple(_with_steps(form) for form in ("+{}", "{:.6E}", "{} steps", "{}%", "({})", "€{}", "#{}")),
        False,
    )
    yield (
        "numbers of two forms in one column",
        (
            _with_steps("{:,}", only=3),
            _with_steps("{}.0", only=3),
            _with_steps("{:,}", ".", only=3),
        ),
        False,
    )
    yield "ISO dates among others", (_changed(3, LINES[3].replace("4/15/2016", "2016-04-15")),), False
    yield (
        "day-first dates among others",
        (
            _changed(3, LINES[3].replace("4/15/2016", "15/4/2016")),
            _changed(3, LINES[3].replace("4/15/2016", "15.04.2016")),
        ),
        False,
    )


def _minimal(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def _with_columns(count: int) -> Polluted:
    names = "".join(f",x{number}" for number in range(count))
    return _file([LINES[0] + names, *(line + ",1" * count for line in LINES[1:])])


def _long(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return ((*rows[0][:-1], "x" * (1 << 20)), *rows[1:])


def _changed(row: int, line: str) -> Polluted:
    return _file([*LINES[:row], line, *LINES[row + 1 :]])


def _fields(row: int) -> list[str]:
    return [_minimal(text) for text in (HEADER if row == 0 else texts_of(ROWS[row - 1]))]


def _less(row: int, place: int) -> Polluted:
    fields = _fields(row)
    return _changed(row, ",".join([*fields[:place], fields[place] + fields[place + 1], *fields[place + 2 :]]))


def _more(row: int, place: int) -> Polluted:
    fields = _fields(row)
    return _changed(row, ",".join([*fields[:place], "", *fields[place:]]))


def _quote(row: int, place: int, at: int) -> Polluted:
    fields = _fields(row)
    text = fields[place]
    at = len(text) if at < 0 else at
    fields[place] = f'{text[:at]}"{text[at:]}'
    return _changed(row, ",".join(fields))


def _two_quotes(place: int) -> Polluted:
    lines = list(LINES)
    for row in (3, 9):
        fields = _fields(row)
        fields[place] = '"' + fields[place]
        lines[row] = ",".join(fields)
    return _file(lines)


def _joined(row: int) -> Polluted:
    return replace(_file([*LINES[:row], LINES[row] + LINES[row + 1], *LINES[row + 2 :]]), rows_per_line=2)


def _broken(row: int, place: int) -> Polluted:
    fields = _fields(row)
    first, second = ",".join(fields[:place]), ",".join(fields[place:])
    return _file([*LINES[:row], first, second, *LINES[row + 1 :]])


def _with_steps(form: str, mark: str = ",", only: int | None = None) -> Polluted:
    def line(place: int, row: Row) -> str:
        fields = texts_of(row)
        if only is None or place % only == 0:
            fields[2] = form.format(row[2]).replace(",", mark)
        return line_of(fields)

    return _file([LINES[0], *(line(place, row) for place, row in enumerate(ROWS))])
