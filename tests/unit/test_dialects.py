"""The simulated spreadsheet does what spreadsheets do, and the test of dialects knows what a file can prove."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.dialects.evidence import Circumstances, has_lost_fields, standard_reading
from tests.dialects.example import Recipe, build
from tests.dialects.spreadsheet import LOCALES, Number, opened, shown
from tests.dialects.table import KINDS, Shape, make
from tests.dialects.writing import Dialect, cells, lines


def at(*parts: int) -> datetime:
    """Return a local time, as a spreadsheet has it."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


LOCALE = {locale.name: locale for locale in LOCALES}
SHAPE = Shape(people=1, start=date(2016, 4, 1), steps=(1, 1, 1), seed=1)
AROUND = Circumstances("MDY", date(2016, 12, 31))


@pytest.mark.parametrize(
    ("text", "locale", "cell"),
    [
        ("4/12/2016 12:00:00 AM", "en-GB", at(2016, 12, 4)),
        ("4/13/2016 12:00:00 AM", "en-GB", "4/13/2016 12:00:00 AM"),
        ("4/13/2016 12:00:00 AM", "en-US", at(2016, 4, 13)),
        ("4/12/2016 1:02:03 PM", "en-US", at(2016, 4, 12, 13, 2, 3)),
        ("4/12/2016 1:02:03\u202fPM", "en-US", "4/12/2016 1:02:03\u202fPM"),
        ("4/12/2016 12:00:00 AM", "de-DE", "4/12/2016 12:00:00 AM"),
        ("4/12/2016", "de-DE", at(2016, 12, 4)),
        ("2016-04-12", "en-GB", at(2016, 4, 12)),
        ("6/10/25", "sv-SE", at(2006, 10, 25)),
        ("6/10/25", "en-US", at(2025, 6, 10)),
        ("12.04.2016", "en-US", "12.04.2016"),
        ("6.3", "de-DE", at(2026, 3, 6)),
        ("6.3", "en-US", Number(Decimal("6.3"))),
        ("1.204", "de-DE", Number(Decimal(1204), is_grouped=True)),
        ("1,204", "en-US", Number(Decimal(1204), is_grouped=True)),
        ("7,5", "en-US", "7,5"),
        ("7,5", "de-DE", Number(Decimal("7.5"))),
        ('="0123"', "en-US", "0123"),
        ("NA", "en-US", "NA"),
        ("TRUE", "de-DE", "TRUE"),
    ],
)
def test_a_spreadsheet_makes_what_its_locale_reads_of_a_text(text: str, locale: str, cell: Any) -> None:
    assert opened([[text]], LOCALE[locale], 2026) == [[cell]]


@pytest.mark.parametrize(
    ("cell", "locale", "text"),
    [
        (at(2016, 12, 4), "en-GB", "04/12/2016"),
        (at(2016, 4, 12, 13, 2), "en-US", "4/12/2016 13:02"),
        (at(2016, 4, 12), "en-US, two-digit years", "4/12/16"),
        (at(2016, 4, 12), "de-DE", "12.04.2016"),
        (Number(Decimal("7.50")), "de-DE", "7,5"),
        (Number(Decimal(1204), is_grouped=True), "en-US", "1,204"),
        (Number(Decimal(1503960366)), "en-US", "1503960366"),
        (Number(Decimal(1462233599000)), "en-US", "1.46223E+12"),
        (True, "en-US", "TRUE"),
    ],
)
def test_a_spreadsheet_saves_what_it_shows(cell: Any, locale: str, text: str) -> None:
    assert shown(cell, LOCALE[locale]) == text


def read(*texts: str | datetime, around: Circumstances = AROUND) -> list[str] | None:
    days = standard_reading(texts, around, is_beyond_doubt=True)
    return None if days is None else [str(day) for day in days]


def test_dates_that_every_reader_has_to_accept() -> None:
    assert read("2016-05-04") == ["2016-05-04"]
    assert read(at(2016, 5, 4)) == ["2016-05-04"]
    assert read("05.04.2016") == ["2016-04-05"]
    assert read("Apr 2, 2016") == read("2-Apr-2016") == ["2016-04-02"]
    assert read("4/5/2016") == read("4/5/2016 12:00:00 AM") == ["2016-04-05"], "Fitbit writes so"
    assert read("4/1/2016", "4/13/2016") == ["2016-04-01", "2016-04-13"]
    assert read("4/1/2016", "4/2/2016", "4/3/2016") == ["2016-04-01", "2016-04-02", "2016-04-03"]


def test_dates_that_a_reader_may_refuse() -> None:
    assert read("04/05/2016") is read("4/5/2016 00:00:00") is None, "April or May"
    assert read("4/5/2016", around=replace(AROUND, earlier="DMY")) is None
    assert read("4/5/16") is None
    assert read("1/4/2016", "2/4/2016", "3/4/2016") is None, "a run in April, or the 4th of three months"
    assert read(at(2016, 1, 4), at(2016, 2, 4), at(2016, 3, 4)) is None
    assert read(at(2016, 5, 4), "4/13/2016") is None, "part of the column was swapped"
    assert read("2016-05-04", around=replace(AROUND, written_on=date(2016, 4, 6))) is None, "after it was written"
    assert read("2016-05-04", around=replace(AROUND, named=(date(2016, 4, 5),))) is None, "not the day of its name"
    april = (date(2016, 4, 1), date(2016, 4, 30))
    assert read("2016-05-04", around=replace(AROUND, named=april)) is None
    assert read("2016-04-05", around=replace(AROUND, named=april)) == ["2016-04-05"]


def test_dotted_years_of_two_digits_are_day_first_unless_contradicted() -> None:
    def accepted(*texts: str, around: Circumstances = AROUND) -> bool:
        return standard_reading(texts, around) is not None

    assert accepted("5.4.16")
    assert read("5.4.16") is None, "nobody has to accept it"
    assert not accepted("16.4.26"), "2026 is to come"
    assert not accepted("5.4.16", around=replace(AROUND, named=(date(2016, 5, 4),)))
    assert not accepted("5.4.16", around=replace(AROUND, earlier="MDY"))
    assert not accepted("16.4.11", "16.4.12", "16.4.13"), "in a row with the year first"
    assert not accepted("4.1.16", "4.2.16", "4.3.16"), "in a row month first"


def swapped(shape: Shape, **changes: Any) -> bool:
    """Whether the generator excludes a table that a day-first spreadsheet has swapped."""
    dialect = Dialect(clock=24)
    recipe = Recipe(KINDS[0], shape, dialect, resaved=LOCALE["de-CH"], saved_as="xlsx", **changes)
    return build(recipe) is None


def test_swapped_days_are_excluded_where_nothing_shows_it() -> None:
    night = replace(SHAPE, steps=())
    assert swapped(replace(night, start=date(2016, 4, 3)), written_after=timedelta(days=90))
    assert not swapped(replace(night, start=date(2016, 4, 5)), written_after=timedelta(days=9)), "4 May is to come"
    assert not swapped(replace(night, start=date(2016, 4, 3)), written_after=timedelta(days=90), named="first"), (
        "the name has the day"
    )
    assert not swapped(SHAPE, written_after=timedelta(days=400)), "four days in a row cannot be four months"
    assert not swapped(replace(SHAPE, start=date(2016, 4, 11)), written_after=timedelta(days=400)), "texts are left"


def test_numbers_without_quotes_that_look_like_two_fields_are_excluded() -> None:
    shape = replace(SHAPE, has_device=True, texts=("",))
    table = make(KINDS[0], shape)
    dialect = Dialect(quoting="none", thousands=",")
    texts = cells(table, dialect)
    for row in texts[1:]:
        row[3:] = ["300", "1,204", ""]
    assert has_lost_fields(texts, dialect)
    assert "300,1,204,\n" in lines(texts, dialect, table.fields)
    texts[1][4] = "812"
    assert not has_lost_fields(texts, dialect), "one row has no field too many"


def test_plain_files_are_those_that_have_to_load() -> None:
    plain = build(Recipe(KINDS[0], SHAPE, Dialect()))
    single = build(Recipe(KINDS[0], replace(SHAPE, steps=()), Dialect(is_padded=True)))
    assert plain
    assert plain.is_plain
    assert single
    assert not single.is_plain
