"""Examples: a table in a random dialect, as a file."""

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from tests.dialects.evidence import (
    Circumstances,
    has_lost_fields,
    has_lost_numbers,
    is_lost,
    share_in_a_row,
    standard_reading,
)
from tests.dialects.spreadsheet import LOCALES, Locale, Number, Sheet, as_csv, as_xlsx, opened, shown, typed
from tests.dialects.table import KINDS, Kind, Shape, Table, make
from tests.dialects.writing import Dialect, Order, cells, date_text, encoded, lines

_QUOTES = ('12" scale', "scale", 'the "old" one', '"big" scale', "5' 3\"", 'a 2" and a 3" one', '"')
# words that stand for a missing value
WORDS = ("NA", "N/A", "NULL", "null", "None", "-", "--", "#N/A")
_DATES: tuple[dict[str, Any], ...] = (
    {"order": "DMY", "date_mark": "/"},
    {"order": "DMY", "date_mark": "."},
    {"order": "DMY", "date_mark": "-"},
    {"order": "MDY", "date_mark": "-"},
    {"order": "MDY", "date_mark": "."},
    {"order": "MDY", "date_mark": "/"},
    {"order": "YMD", "date_mark": "-", "is_padded": True},
    {"order": "YMD", "date_mark": "/"},
    {"order": "YMD", "date_mark": "."},
    {"month_names": "{month} {day}, {year}"},
    {"month_names": "{day} {month} {year}"},
    {"month_names": "{day}-{month}-{year}"},
)
_NUMBERS: tuple[dict[str, Any], ...] = (
    {"thousands": ","},
    {"thousands": "'"},
    {"thousands": " "},
    {"thousands": "\u00a0"},
    {"thousands": "\u202f"},
    {"decimal": ","},
    {"decimal": ",", "thousands": "."},
    {"decimal": ",", "thousands": " "},
    {"decimal": ",", "thousands": "\u202f"},
)

Choice = st.SearchStrategy[dict[str, Any]]


def _one_of(*changes: dict[str, Any]) -> Choice:
    return st.sampled_from(changes)


# What may be odd about a file, and the changes that it means: to its dialect, to the shape of its table ("shape."), or
# to the spreadsheet that it went through ("resaved", "saved_as").
ODDITIES: dict[str, Choice] = {
    "dates": st.builds(lambda form, padded: {"is_padded": padded, **form}, st.sampled_from(_DATES), st.booleans()),
    "two-digit years": st.builds(
        lambda order, mark, padded: {"order": order, "date_mark": mark, "year_digits": 2, "is_padded": padded},
        st.sampled_from(("MDY", "DMY", "YMD")),
        st.sampled_from(("/", ".", "-")),
        st.booleans(),
    ),
    "clock": _one_of({"clock": 24}, {"clock": 24, "has_seconds": False, "shape.whole_minutes": True}),
    "space before AM": _one_of({"before_am": "\u202f"}, {"before_am": "\u00a0"}, {"before_am": ""}),
    "numbers": st.sampled_from(_NUMBERS),
    "three decimals": _one_of({"shape.places": 3}),
    "decimals in whole numbers": _one_of({"shape.fraction_places": 2}, {"shape.fraction_places": 3}),
    "no quotes": _one_of({"quoting": "none"}),
    "quotes in texts": st.builds(
        lambda how, text: {"quotes": how, "shape.has_device": True, "shape.texts": text},
        st.sampled_from(("bare", "wrapped", "doubled")),
        st.sampled_from((_QUOTES[:3], _QUOTES[3:], _QUOTES)),
    ),
    "delimiters and line ends in texts": _one_of(
        {"shape.has_device": True, "shape.texts": ("a, b; c\td|e", "scale")},
        {"shape.has_device": True, "shape.texts": ("two\nlines", "scale")},
    ),
    "another encoding": st.sampled_from(("cp1252", "latin-1")).map(
        lambda name: {"encoding": name, "shape.has_device": True, "shape.texts": ("Küche", "scale", "Bad")}
    ),
    "sep line": _one_of({"sep_line": True}),
    "trailing delimiters": _one_of({"trailing": "rows"}, {"trailing": "all"}),
    "empty lines": _one_of(
        {"empty_lines": ("",)}, {"empty_lines": (",",)}, {"empty_lines": (",", ",")}, {"empty_lines": ("", ",", "")}
    ),
    "guards": _one_of({"guard": '="{}"'}, {"guard": "'{}"}, {"guard": " {} "}),
    "null words": st.sampled_from(WORDS).map(lambda word: {"null": word, "shape.gaps": 0.4}),
    "null words in required columns": st.sampled_from(WORDS).map(
        lambda word: {"null": word, "shape.required_gaps": 0.15}
    ),
    "totals": _one_of({"totals": True}),
    "titles": _one_of({"titles": ("Export of April",)}, {"titles": ("Study 12", "", "a,b;c")}),
    "headers": _one_of({"headers": "lower case"}, {"headers": "spaced"}),
    "a date typed by hand": _one_of({"is_typed_by_hand": True}),
    "re-saved": st.builds(
        lambda locale, kind: {"resaved": locale, "saved_as": kind, "shape.whole_minutes": True},
        st.sampled_from(LOCALES),
        st.sampled_from(("xlsx", "csv")),
    ),
}
MONTHS = 12
_OF_DATES = ("order", "date_mark", "is_padded", "year_digits", "month_names", "clock")
_FREQUENT = ("dates", "dates", "two-digit years", "numbers", "re-saved", "re-saved", "re-saved")
# oddities after which a file is still a usual one
HARMLESS = frozenset({"dates", "clock", "empty lines", "titles", "headers"})


@dataclass(frozen=True)
class Example:
    """A file and the table that it holds.

    Arguments:
        table: the truth.
        name: the file's path in the landing zone.
        content: its bytes.
        written_at: its time of modification.
        text: its content for people.
        features: what is odd about it, and of which kind it is.
        is_plain: whether refusing it, or a row of it, would be too strict.
        earlier: the name and the bytes of a file of the same folder that was there before.

    """

    table: Table
    name: str
    content: bytes = field(repr=False)
    written_at: datetime
    text: str
    features: tuple[str, ...]
    is_plain: bool
    earlier: tuple[str, bytes] | None = None

    def _repr_pretty_(self, printer: Any, _is_cycle: bool) -> None:
        """Show Hypothesis the file, where it would show the fields of the class."""
        printer.text(repr(self))

    def __repr__(self) -> str:
        truth = "\n".join(" | ".join(str(value) for value in row) for row in self.table.expected)
        return (
            f"\n== {self.name}, written {self.written_at:%Y-%m-%d %H:%M}: {', '.join(self.features)}"
            f"{' (plain)' if self.is_plain else ''}\n{self.text}\n== what it means\n{truth}\n=="
        )


@dataclass(frozen=True)
class Recipe:
    """What an example is made of.

    Arguments:
        kind: its kind.
        shape: the shape of its table.
        dialect: how it is written.
        as_workbook: a program has written it as a spreadsheet, with real dates and numbers.
        resaved: the locale of a spreadsheet that has saved it again.
        saved_as: what that has saved.
        named: which days its name has.
        written_after: the time from the last moment to its time of modification.
        is_typed_by_hand: whether somebody has typed one date in the other order of day and month.
        has_earlier: whether its folder has an earlier file of the same writer, with days in a row.
        features: what is odd about it.

    """

    kind: Kind
    shape: Shape
    dialect: Dialect
    as_workbook: bool = False
    resaved: Locale | None = None
    saved_as: str = "csv"
    named: str = ""
    written_after: timedelta = timedelta(days=1)
    is_typed_by_hand: bool = False
    has_earlier: bool = False
    features: frozenset[str] = frozenset()


def build(recipe: Recipe) -> Example | None:
    """Return the example of a recipe, or None where no reader could know what it means.

    Arguments:
        recipe: the recipe.

    """
    table = make(recipe.kind, recipe.shape)
    dialect = recipe.dialect
    texts = cells(table, dialect)
    if recipe.is_typed_by_hand and not _type_by_hand(table, texts, dialect):
        return None
    last = max(table.moments)
    written_at = last + recipe.written_after
    sheet = _sheet(recipe, table, texts, written_at.year)
    if recipe.resaved and sheet and has_lost_numbers(table, sheet):
        return None
    if sheet is None and has_lost_fields(texts, dialect):
        return None
    if sheet is not None and (recipe.resaved is None or recipe.saved_as == "xlsx"):
        suffix, content = ".xlsx", as_xlsx(sheet, dialect.titles)
        text = "\n".join(" | ".join(_described(cell) for cell in row) for row in sheet)
        dates: list[Any] = [row[_day_column(table)] for row in sheet[1 : len(table.rows) + 1]]
    elif sheet is not None and recipe.resaved:
        text = as_csv(sheet, recipe.resaved, table.fields, dialect.titles)
        suffix, content = ".csv", encoded(text, "utf-8-sig")
        dates = [shown(row[_day_column(table)], recipe.resaved) for row in sheet[1 : len(table.rows) + 1]]
    else:
        text = lines(texts, dialect, table.fields)
        suffix, content = ".csv", encoded(text, dialect.encoding)
        dates = [row[_day_column(table)] for row in texts[1 : len(table.rows) + 1]]
    first_day, last_day = min(table.moments).date(), last.date()
    named = {
        "": (),
        "first": (first_day,),
        "last": (last_day,),
        "next": (last_day + timedelta(days=1),),
        "range": (first_day, last_day),
    }[recipe.named]
    around = Circumstances(recipe.kind.order, written_at.date(), named, dialect.order if recipe.has_earlier else None)
    if is_lost(table, dates, around):
        return None
    is_usual = recipe.features <= HARMLESS and recipe.resaved is None and not recipe.shape.required_gaps
    return Example(
        table=table,
        name="_".join([recipe.kind.path, *map(str, named)]) + suffix,
        content=content,
        written_at=written_at.replace(tzinfo=UTC),
        text=text if suffix == ".csv" else f"(workbook)\n{text}",
        features=(f"a {recipe.kind.name} file", *sorted(recipe.features), *_variations(recipe)),
        is_plain=is_usual and standard_reading(dates, around, is_beyond_doubt=True) is not None,
        earlier=_earlier(recipe) if recipe.has_earlier else None,
    )


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Draw a recipe with at most three oddities."""
    kind = draw(st.sampled_from(KINDS))
    odd = draw(st.lists(st.sampled_from([*ODDITIES, *_FREQUENT]), max_size=3, unique=True))
    changes: dict[str, Any] = {}
    if kind.order == "YMD":
        changes = {"order": "YMD", "date_mark": "-", "is_padded": True, "clock": 24}
    for name in odd:
        changes |= draw(ODDITIES[name])
    people = draw(st.integers(1, 4))
    most = max(1, 60 // (people * kind.per_day))
    shape = Shape(
        people=people,
        start=draw(st.dates(date(2014, 1, 1), date(2024, 12, 31))),
        steps=draw(_steps(min(most, 31) - 1)),
        seed=draw(st.integers(0, 2**16)),
        has_device=draw(st.booleans()),
        by_day=draw(st.booleans()),
    )
    shape = replace(shape, **{name[6:]: value for name, value in changes.items() if name.startswith("shape.")})
    dialect = Dialect(
        delimiter=draw(st.sampled_from((",", ",", ";", "\t", "|"))),
        quoting=draw(st.sampled_from(("minimal", "minimal", "all", "texts"))),
        encoding=draw(st.sampled_from(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be"))),
        newline=draw(st.sampled_from(("\n", "\r\n", "\n", "\r"))),
        ends_with_newline=draw(st.booleans()),
    )
    known = dialect.__dataclass_fields__
    dialect = replace(dialect, **{name: value for name, value in changes.items() if name in known})
    if dialect.quoting == "none":
        # nobody can tell a line end in a text from one between rows
        shape = replace(shape, texts=tuple(text.replace("\n", " ") for text in shape.texts))
    return Recipe(
        kind=kind,
        shape=shape,
        dialect=_adapted(dialect),
        as_workbook=draw(st.sampled_from((False, False, False, False, True))) and "resaved" not in changes,
        resaved=changes.get("resaved"),
        saved_as=changes.get("saved_as", "csv"),
        is_typed_by_hand="a date typed by hand" in odd and "resaved" not in changes,
        named=draw(st.sampled_from(("", "", "", "first", "last", "next", "range"))),
        written_after=timedelta(hours=draw(st.sampled_from((30, -10, 2, 24 * 9, 24 * 400)))),
        has_earlier=draw(st.sampled_from((False, False, False, True))),
        features=frozenset(odd),
    )


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Draw an example of which the truth can be known."""
    example = build(draw(recipes()))
    assume(example is not None)
    assert example is not None
    return example


def _steps(most: int) -> st.SearchStrategy[tuple[int, ...]]:
    def repeated(step: int) -> st.SearchStrategy[tuple[int, ...]]:
        return st.integers(0, most).map(lambda count: (step,) * count)

    few = min(most, 9)
    return st.one_of(
        st.just(1).flatmap(repeated),
        st.integers(min(most, 2), most).map(lambda count: (1,) * count),
        st.integers(min(most, 2), most).map(lambda count: (1,) * count),
        st.sampled_from((7, 14)).flatmap(repeated),
        st.lists(st.integers(1, 40), max_size=few).map(tuple),
        st.lists(st.sampled_from((31, 30, 28)), max_size=few).map(tuple),
    )


def _adapted(dialect: Dialect) -> Dialect:
    """Write the empty lines with the delimiter, and no bare quotes where nothing is ever quoted."""
    if dialect.delimiter in dialect.decimal + dialect.thousands and dialect.quoting == "texts":
        # R writes numbers without quotes, and takes another delimiter where they have a comma
        dialect = replace(dialect, quoting="minimal")
    return dialect


def _type_by_hand(table: Table, texts: list[list[str]], dialect: Dialect) -> bool:
    """Write one date with day and month swapped. Return whether a reader can know which one it is.

    Its day has to be above 12, and the other days in a row: otherwise the other order explains all dates.
    """
    days = [moment.date() for moment in table.moments]
    odd = next((place for place, day in enumerate(days) if day.day > MONTHS), None)
    swapped: dict[str, Order] = {"MDY": "DMY", "DMY": "MDY"}
    if odd is None or dialect.month_names or dialect.order not in swapped or dialect.year_digits == 2:
        return False
    others = [day for place, day in enumerate(days) if place != odd]
    form = replace(dialect, order=swapped[dialect.order])
    column = _day_column(table)
    usual, typed_text = (date_text(table.moments[odd], each) for each in (dialect, form))
    texts[odd + 1][column] = texts[odd + 1][column].replace(usual, typed_text)
    return any(day.day > MONTHS for day in others) or share_in_a_row(others) >= 0.5


def _earlier(recipe: Recipe) -> tuple[str, bytes]:
    """Return the name and the bytes of a file of 20 days in a row that ends a week before the first day."""
    start = recipe.shape.start - timedelta(days=27)
    table = make(recipe.kind, Shape(people=1, start=start, steps=(1,) * 19, seed=recipe.shape.seed))
    name = f"{recipe.kind.path}_{start + timedelta(days=19)}.csv"
    dialect = replace(Dialect(), **{name: getattr(recipe.dialect, name) for name in _OF_DATES})
    return name, lines(cells(table, dialect), dialect, table.fields).encode()


def _sheet(recipe: Recipe, table: Table, texts: list[list[str]], year: int) -> Sheet | None:
    if recipe.resaved:
        return opened(texts, recipe.resaved, year)
    return typed(texts, table.rows) if recipe.as_workbook else None


def _day_column(table: Table) -> int:
    return next(i for i, each in enumerate(table.fields) if each is table.kind.fields[table.kind.day])


def _described(cell: Any) -> str:
    if isinstance(cell, Number):
        return f"{cell.value}" if cell.value == Decimal(cell.value) else ""
    if isinstance(cell, datetime):
        return f"[{cell:%Y-%m-%d %H:%M:%S}]"
    return str(cell) if isinstance(cell, bool) else repr(cell)


def _variations(recipe: Recipe) -> list[str]:
    if recipe.resaved:
        found = [f"re-saved as {recipe.saved_as}", f"re-saved in {recipe.resaved.name}"]
    else:
        found = ["a workbook"] if recipe.as_workbook else []
    return [*found, *(["after an earlier file"] if recipe.has_earlier else [])]


def examples_wanted() -> int:
    """Return how many examples to try: DIALECT_EXAMPLES, or as many as CI has time for."""
    return int(os.environ.get("DIALECT_EXAMPLES", "200"))
