"""A file in any dialect loads exactly, or is refused, or its rows are in quarantine: never anything else.

A few states of the generator are excluded, because no reader can be right about them: the same bytes, under the same
name and written at the same time, are also a plain file of another table, which has to load. These are:

- Dates that a spreadsheet has swapped (real dates, ISO dates or dotted dates with day and month the wrong way round),
  where every date of the column was swapped, no swapped day is after the file's time, no date in the name contradicts,
  and fewer than half of the true days (or fewer than 3) are in a row. One night in a workbook is the usual case.
- Day-first dates in Fitbit's own form (`4/5/2026 7:05:00 PM`), where no day is above 12, fewer than half of the true
  days are in a row, and neither the name nor the time nor an earlier file contradicts: Fitbit's own file of one night
  has the same bytes, and has to load.
- Dotted dates with two-digit years in another order than day-first, where neither time nor name nor an earlier file
  contradicts, and fewer than half of the true days are in a row: dots are day-first everywhere.
- Day-first dates of which most are in a row once they are read month-first, and few as they are: visits on the first of
  January, February and March look like 1, 2 and 3 January.
- Numbers that a spreadsheet has changed (`1.204` becomes 1204 where the dot separates thousands), where each number of
  the column that has a mark was changed, so that nothing in the column shows it.
- A number with a delimiter and without quotes in each row of a file whose last field is always empty: this is also
  a file with a delimiter after each row.

Not generated, because the spreadsheet has destroyed them without a trace: seconds in a CSV file that it saves, numbers
of more than 15 digits, and decimals of which it shows fewer than there are. Decimal columns have values below 1,000,
as kilograms and kilometres do: `1.204` is 1204 nowhere.
"""

import os
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis.internal.conjecture.providers import HypothesisProvider

from tests.dialects.example import WORDS, Example, Recipe, build, examples, examples_wanted
from tests.dialects.outcome import Loader, Tally, WrongError
from tests.dialects.spreadsheet import LOCALES
from tests.dialects.table import KINDS, Shape
from tests.dialects.writing import Dialect
from tests.drops import Landing

# two people, 20 days from 8 April 2016, with missing optional values and steps above 1,000
SHAPE = Shape(people=2, start=date(2016, 4, 8), steps=(1,) * 19, seed=1, gaps=0.3)
TEXTS = ("scale", '12" scale', 'the "old" one')
# what has to load, because it can mean one thing only
CLEAR: dict[str, dict[str, Any]] = {
    "nothing odd": {},
    "semicolons": {"delimiter": ";"},
    "quotes around everything": {"quoting": "all"},
    "24 hours": {"clock": 24},
    "ISO dates": {"order": "YMD", "date_mark": "-", "is_padded": True},
    "dotted dates": {"order": "DMY", "date_mark": ".", "is_padded": True},
    "Apr 2, 2026": {"month_names": "{month} {day}, {year}"},
    "2 Apr 2026": {"month_names": "{day} {month} {year}"},
    "02-Apr-2026": {"month_names": "{day}-{month}-{year}", "is_padded": True},
    "narrow no-break space before AM": {"before_am": "\u202f"},
    "no-break space before AM": {"before_am": "\u00a0"},
    "1,204": {"thousands": ","},
    "1'204": {"thousands": "'"},
    "1 204": {"thousands": " "},
    "1 204, no-break space": {"thousands": "\u00a0"},
    "1 204, narrow no-break space": {"thousands": "\u202f"},
    "7,5": {"decimal": ",", "delimiter": ";"},
    "1.204,5": {"decimal": ",", "thousands": ".", "delimiter": ";"},
    "2351.59 as a whole number": {"shape.fraction_places": 2},
    "sep line": {"sep_line": True, "delimiter": ";"},
    "delimiters after each row": {"trailing": "rows"},
    "delimiters after each row and the header": {"trailing": "all"},
    "lines of delimiters": {"empty_lines": (",", ",")},
    '="0123"': {"guard": '="{}"'},
    "apostrophes before ids": {"guard": "'{}"},
    "spaces around ids": {"guard": " {} "},
    **{f"{word} in optional columns": {"null": word} for word in WORDS},
    "totals": {"totals": True},
    "titles": {"titles": ("Export of April", "")},
    "quotes in texts without quotes": {"quotes": "bare", "shape.has_device": True, "shape.texts": TEXTS},
    "quotes in texts, doubled": {"quotes": "doubled", "shape.has_device": True, "shape.texts": TEXTS},
    "re-saved where it comes from": {"resaved": LOCALES[0], "saved_as": "csv"},
    "re-saved as a workbook where it comes from": {"resaved": LOCALES[0], "saved_as": "xlsx"},
}


def test_any_dialect_loads_exactly_or_is_refused_or_is_in_quarantine(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 examples, or DIALECT_EXAMPLES; always the same, or others with DIALECT_SEED."""
    # Hypothesis also draws the constants of all modules that are loaded, so that examples depend on what ran before
    monkeypatch.setattr(HypothesisProvider, "_maybe_draw_constant", lambda *_, **__: None)
    loader = Loader(landing)
    tally = Tally()

    @given(examples())
    @hypothesis_settings(
        max_examples=examples_wanted(),
        derandomize="DIALECT_SEED" not in os.environ,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(example: Example) -> None:
        tally.add(example, loader.load(example))

    if number := os.environ.get("DIALECT_SEED"):
        check = seed(int(number))(check)
    check()
    print(tally)  # noqa: T201  (pytest -s shows how much is refused)
    plain, everything = tally.counts["plain"], tally.counts["all"]
    assert plain["loaded exactly"] == plain.total() >= examples_wanted() // 10, "a plain file has to load"
    assert everything["loaded exactly"] * 2 > everything.total(), "refusing everything is no answer"


def test_what_is_odd_but_clear_loads_exactly(landing: Landing) -> None:
    loader = Loader(landing)
    failures = {}
    for name, changes in CLEAR.items():
        # in CSV, a spreadsheet shows the ids of weights as 1.46223E+12
        for kind in KINDS[: 2 if changes.get("saved_as") == "csv" else 3]:
            try:
                verdict = loader.load(_example(kind, changes))
            except WrongError as exc:
                verdict = str(exc)  # type: ignore[assignment]
            if verdict != "loaded exactly":
                failures[f"{name}, {kind.name}"] = verdict
    assert not failures, "\n".join(f"{name}: {verdict}" for name, verdict in failures.items())


def _example(kind: Any, changes: dict[str, Any]) -> Example:
    def of(cls: type) -> dict[str, Any]:
        return {name: value for name, value in changes.items() if name in {field.name for field in fields(cls)}}

    shape = replace(SHAPE, **{name[6:]: value for name, value in changes.items() if name.startswith("shape.")})
    if "resaved" in changes:
        shape = replace(shape, whole_minutes=True)
    recipe = Recipe(
        kind, shape, replace(Dialect(), **of(Dialect)), features=frozenset({"one oddity"}), written_after=timedelta(3)
    )
    example = build(replace(recipe, **{name: value for name, value in of(Recipe).items() if name != "kind"}))
    assert example is not None
    return example
