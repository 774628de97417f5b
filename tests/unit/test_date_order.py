"""The order of day, month and year, decided by evidence."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.errors import FileRefusedError
from ingestion.load.date_order import Clues, Settled, days_in_name, settle
from ingestion.load.dates import ORDERS, Dates, Sight, WrittenDate
from ingestion.sources import DateOrder


def dates_of(*texts: str) -> Dates:
    dates = Dates()
    for line, text in enumerate(texts, 2):
        dates.add(text, line)
    return dates


def settled(*texts: str, usual: DateOrder = "MDY", **clues: Any) -> Settled:
    return settle({"Day": dates_of(*texts)}, Clues("sleep", usual, **clues))


def refusal(*texts: str, usual: DateOrder = "MDY", **clues: Any) -> str:
    with pytest.raises(FileRefusedError) as caught:
        settled(*texts, usual=usual, **clues)
    return f"{caught.value} | {caught.value.hint}"


@pytest.mark.parametrize(
    ("texts", "clues", "order", "reason"),
    [
        # one order explains all
        (["4/12/2016", "4/13/2016"], {}, "MDY", "a day above 12"),
        (["12/4/2016", "13/4/2016"], {}, "DMY", "a day above 12"),
        (["04-12-2016", "04-13-2016"], {"usual": "YMD"}, "MDY", "a day above 12"),
        (["05.04.2026"], {}, "DMY", "dots are day first"),
        (["5.4.26"], {"usual": "YMD"}, "DMY", "dots are day first"),
        (["6/13/25 7:46"], {"usual": "YMD"}, "MDY", "a day above 12"),
        (["25/04/30", "25/10/13"], {"usual": "MDY", "written_at": datetime(2026, 1, 1, tzinfo=UTC)}, "YMD", "after"),
        # ISO dates need no order
        (["2016-04-12", "2016-04-13 10:00"], {}, "YMD", "no date needs another"),
        (["5/5/2026"], {}, "MDY", "every order gives the same days"),
        (["5/5/2026"], {"usual": "DMY"}, "DMY", "every order gives the same days"),
        # the device's own way to write
        (["4/5/2026"], {}, "MDY", "its device writes like this"),
        (["4/5/2026 11:59:59 PM"], {}, "MDY", "its device writes like this"),
        # the name
        (["04/05/2026"], {"name": "sleep_2026-04-05.csv"}, "MDY", "its name"),
        (["05/04/2026"], {"name": "a/20260405_sleep.csv"}, "DMY", "its name"),
        (["01-01-2019", "02-01-2019"], {"name": "fitbit_export_20190131.csv"}, "DMY", "its name"),
        (["10/02/2017", "10/07/2017"], {"name": "sleep_20171001_20171007.csv"}, "MDY", "its name"),
        # days in a row
        (["01/05/2026", "02/05/2026", "03/05/2026", "04/05/2026"], {}, "DMY", "in a row"),
        (["04/01/2026", "04/02/2026", "04/03/2026"], {}, "MDY", "in a row"),
        # a day after the file was written
        (["05/06/2026"], {"written_at": datetime(2026, 5, 7, tzinfo=UTC)}, "MDY", "after the file was written"),
        (["6/10/25 7:46"], {"usual": "YMD", "written_at": datetime(2025, 6, 11, tzinfo=UTC)}, "MDY", "after"),
        # files loaded before
        (["04/05/2026"], {"earlier": lambda: frozenset({"DMY"})}, "DMY", "earlier files"),
        # a declaration
        (["4/5/2026"], {"declared": "DMY"}, "DMY", "declared"),
    ],
)
def test_the_evidence_decides(texts: list[str], clues: dict[str, Any], order: str, reason: str) -> None:
    found = settled(*texts, **clues)
    assert found.order == order
    assert reason in found.reason


@pytest.mark.parametrize(
    ("texts", "clues", "message"),
    [
        (["04/05/2026"], {}, "line 2: its dates may be month first or day first, and nothing tells which"),
        (["04/05/2026 10:00"], {"usual": "YMD"}, "date_order=MDY or date_order=DMY"),
        (["4/5/2026 22:10"], {}, "nothing tells which"),
        (["6/10/25 7:46"], {"usual": "YMD"}, "month first or day first, and"),
        (["06/10/11"], {"usual": "YMD"}, "month first or day first or year first"),
        (["04/05/2026"], {"earlier": lambda: frozenset({"DMY", "MDY"})}, "nothing tells which"),
        # grounds that contradict each other
        (["4/5/2026"], {"name": "sleep_2026-05-04.csv"}, "nothing tells which"),
        (["1/5/2026", "2/5/2026", "3/5/2026"], {}, "nothing tells which"),
        # no order explains all
        (
            ["4/13/2016", "14/4/2016", "4/15/2016"],
            {},
            "line 3: the date is day first, and others of the file are month",
        ),
        (["4/13/2016", "04.05.2016"], {}, "line 3: the date is day first, and others of the file are month first"),
        (["13/4/2016", *(f"4/{day}/2016" for day in range(1, 13))], {}, "line 2: the date is day first"),
        # a spreadsheet
        (["2016-12-04 00:00:00", "4/13/2016"], {}, "line 3, column Day: some of the dates are ISO dates"),
        (["2016-01-04", "2016-02-04", "2016-03-04"], {"is_spreadsheet": True}, "day and month swapped"),
        # visits on the first of each month look the same
        (["01.04.2016", "01.05.2016", "01.06.2016"], {}, "put date_order=DMY"),
        (
            ["04.01.2016", "04.02.2016", "04.03.2016"],
            {},
            "line 2: its dates make sense only with day and month swapped",
        ),
        (["2016-05-04"], {"is_spreadsheet": True, "name": "sleep_2016-04-05.xlsx"}, "put date_order=YMD"),
        (
            ["2016-12-04"],
            {"is_spreadsheet": True, "written_at": datetime(2016, 4, 14, tzinfo=UTC)},
            "day and month swapped",
        ),
        # a declaration that is wrong
        (["4/13/2016"], {"declared": "DMY"}, "line 2: the date is not day first, as date_order=DMY declares"),
        (
            ["4/5/2026"],
            {"declared": "DMY", "written_at": datetime(2026, 4, 9, tzinfo=UTC)},
            "after the day that it was",
        ),
    ],
)
def test_a_file_without_an_answer_is_refused(texts: list[str], clues: dict[str, Any], message: str) -> None:
    assert message in refusal(*texts, **clues)


def test_a_declaration_settles_what_evidence_cannot() -> None:
    assert settled("2016-01-04", "2016-02-04", "2016-03-04", is_spreadsheet=True, declared="YMD").order == "YMD"
    assert settled("04/05/2026", declared="DMY").is_certain


def test_only_what_leaves_no_doubt_is_evidence_for_other_files() -> None:
    assert settled("4/13/2016").is_certain
    assert not settled("4/5/2016").is_certain
    assert not settled("2016-04-12").is_certain


def test_the_usual_order_needs_no_remark() -> None:
    assert settled("4/13/2016").is_usual
    assert settled("4/5/2016").is_usual
    assert not settled("13/4/2016").is_usual
    assert not settled("04/05/2016", name="sleep_2016-04-05.csv").is_usual


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("sleep_2026-04-05.csv", [date(2026, 4, 5)]),
        ("20260405/sleep_20260406.csv", [date(2026, 4, 5), date(2026, 4, 6)]),
        ("com.samsung.sleep.202604200900.csv", [date(2026, 4, 20)]),
        ("sleep_2026-02-30.csv", []),
        ("user_id=1503960366/sleep.csv", []),
        ("sleep_2026-04.csv", []),
    ],
)
def test_days_in_a_name(name: str, days: list[date]) -> None:
    assert days_in_name(name) == days


@given(st.dates(date(1971, 1, 1), date(2068, 12, 31)), st.sampled_from(ORDERS), st.booleans(), st.booleans())
def test_a_date_is_read_in_the_order_that_it_was_written_in(
    day: date, order: DateOrder, is_short: bool, is_padded: bool
) -> None:
    parts = {
        "D": f"{day.day:02}" if is_padded else str(day.day),
        "M": f"{day.month:02}" if is_padded else str(day.month),
        "Y": f"{day.year % 100:02}" if is_short else str(day.year),
    }
    written = WrittenDate(parts[order[0]], "/", parts[order[1]], parts[order[2]])
    assert written.read(order) == day


def test_a_sight_ends_where_a_day_leaves_no_other_order() -> None:
    sight = Sight("MDY")
    sight.feed(b"1,4/5/2016,7\n1,4/6/2016,7\n")
    assert not sight.is_sure
    sight.feed(b"1,4/13/2016,7\n1,4/14/2016,7\n")
    assert sight.is_sure
    assert set(sight.dates.lines) == {
        WrittenDate("4", "/", "5", "2016"),
        WrittenDate("4", "/", "6", "2016"),
        WrittenDate("4", "/", "13", "2016"),
    }
