"""A file in any dialect loads exactly, or is refused, or its rows are in quarantine: never anything else.

A few states of the generator are excluded, because no reader can be right about them: the same bytes, under the same
name and written at the same time, are also a plain file of another table, which has to load. These are:

- Dates that a spreadsheet has swapped (real dates, ISO dates or dotted dates with day and month the wrong way round),
  where every date of the column was swapped, no swapped day is after the file's time, no date in the name contradicts,
  and the true days are no run of at least 3 consecutive days. One night in a workbook is the usual case.
- Month-first dates whose day-first reading is the truth, but has gaps, while the month-first reading is a run of at
  least 3 consecutive days: monthly visits on the 1st, 2nd and 3rd month look like 1, 2 and 3 January.
- Numbers that a spreadsheet has changed (`1.204` becomes 1204 where the dot separates thousands), where each number of
  the column that has a mark was changed, so that nothing in the column shows it.
- A number with a delimiter and without quotes in each row of a file whose last field is always empty: this is also
  a file with a delimiter after each row.

Not generated, because the spreadsheet has destroyed them without a trace: seconds in a CSV file that it saves, numbers
of more than 15 digits, and decimals of which it shows fewer than there are. Decimal columns have values below 1,000,
as kilograms and kilometres do: `1.204` is 1204 nowhere.
"""

import os

from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings

from tests.dialects.example import Example, examples, examples_wanted
from tests.dialects.outcome import Loader, Tally
from tests.drops import Landing


def test_any_dialect_loads_exactly_or_is_refused_or_is_in_quarantine(landing: Landing) -> None:
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
    print(tally)  # noqa: T201
