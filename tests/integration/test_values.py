"""Values that are not written as the declaration says: each loads as what it means, or its file is refused."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest

from ingestion.results import FileResult
from tests.drops import ACTIVITY_HEADER, SLEEP_HEADER, Landing

NIGHTS = "select user_id, sleep_day::date::text, total_sleep_records, total_minutes_asleep from raw.sleep order by 1, 2"
DAYS = "select user_id, activity_date::date::text, total_steps, calories from raw.daily_activity order by 1, 2"
WEIGHTS = "select user_id, weighed_at::date::text, weight_kg from raw.weight order by 1, 2"
WEIGHT_HEADER = "Id,Date,Device,WeightKg"


def lines(*texts: str, encoding: str = "utf-8") -> bytes:
    return "".join(f"{text}\n" for text in texts).encode(encoding)


def nights(*days: str, delimiter: str = ",") -> bytes:
    rows = [SLEEP_HEADER, *(f"1,{day},1,327,346" for day in days)]
    return lines(*(row.replace(",", delimiter) for row in rows))


def workbook(rows: Sequence[Sequence[Any]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def load(landing: Landing, name: str, content: bytes, written_at: datetime | None = None) -> FileResult:
    path = landing.put(name, content)
    if written_at:
        os.utime(path, (written_at.timestamp(),) * 2)
    (result,) = (each for each in landing.ingest().files if each.filename == name)
    counts = result.counts
    assert counts.read == counts.loaded + counts.rejected + counts.blank
    return result


@dataclass(frozen=True)
class Read:
    """A file that loads: its rows, and what is remarked."""

    name: str
    content: bytes
    query: str
    rows: list[tuple[Any, ...]]
    remark: str = ""
    rejected: int = 0


def asleep(*days: str) -> list[tuple[Any, ...]]:
    return [("1", day, 1, 327) for day in days]


READ = {
    # the order of dates
    "dots are day first": Read(
        "sleep_2026-04-05.csv", nights("05.04.2026", delimiter=";"), NIGHTS, asleep("2026-04-05"), "day first (DMY)"
    ),
    "dots and a time": Read(
        "sleep.csv", nights("05.04.2026 23:10"), NIGHTS, asleep("2026-04-05"), "dots are day first"
    ),
    "dots and a short year": Read("sleep.csv", nights("5.4.26"), NIGHTS, asleep("2026-04-05"), "dots are day first"),
    "a day above 12": Read(
        "sleep.csv", nights("12/04/2016", "13/04/2016"), NIGHTS, asleep("2016-04-12", "2016-04-13"), "a day above 12"
    ),
    "a day above 12 in a later line": Read(
        "sleep.csv",
        nights(*(f"0{day}/04/2016" for day in range(1, 10)), "13/04/2016"),
        NIGHTS,
        asleep(*(f"2016-04-0{day}" for day in range(1, 10)), "2016-04-13"),
        "day first (DMY)",
    ),
    "the day in the name": Read(
        "sleep_2016-05-04.csv", nights("04/05/2016"), NIGHTS, asleep("2016-05-04"), "its name has the same day"
    ),
    "the days of a range in the name": Read(
        "sleep_20160501_20160509.csv",
        nights("04/05/2016", "07/05/2016"),
        NIGHTS,
        asleep("2016-05-04", "2016-05-07"),
        "DMY",
    ),
    "days in a row": Read(
        "sleep.csv",
        nights("03/05/2016", "04/05/2016", "05/05/2016", "06/05/2016"),
        NIGHTS,
        asleep("2016-05-03", "2016-05-04", "2016-05-05", "2016-05-06"),
        "its days are in a row",
    ),
    "a short year in a column with a day above 12": Read(
        "user_id=1/physiological_cycles.csv",
        lines("Wake onset,Asleep duration (min),In bed duration (min)", "6/10/25 7:46,430,467", "6/13/25 7:46,430,467"),
        NIGHTS,
        [("1", "2025-06-10", None, 430), ("1", "2025-06-13", None, 430)],
        "month first (MDY)",
    ),
    "a declared order": Read(
        "date_order=DMY/sleep.csv", nights("04/05/2016"), NIGHTS, asleep("2016-05-04"), "because declared"
    ),
    "a declared order of one file": Read(
        "sleep_date_order=DMY.csv", nights("4/5/2016"), NIGHTS, asleep("2016-05-04"), "because declared"
    ),
    "month names and narrow spaces": Read(
        "sleep.csv",
        nights('"Apr 2, 2026, 7:00:00\u202fPM"', "4/13/2026 7:00:00\u202fAM"),
        NIGHTS,
        asleep("2026-04-02", "2026-04-13"),
    ),
    # quotes
    "two inches": Read(
        "weight.csv",
        lines(WEIGHT_HEADER, '1,4/1/2026,12" scale,60.5', "2,4/1/2026,scale,61.5", '3,4/1/2026,12" scale,70.5'),
        WEIGHTS,
        [("1", "2026-04-01", 60.5), ("2", "2026-04-01", 61.5), ("3", "2026-04-01", 70.5)],
    ),
    "quotes inside a field": Read(
        "weight.csv",
        lines(WEIGHT_HEADER, '1,4/1/2026,the "old" one,60.5', "2,4/1/2026,scale,61.5"),
        WEIGHTS,
        [("1", "2026-04-01", 60.5), ("2", "2026-04-01", 61.5)],
    ),
    "a quote that is never closed": Read(
        "weight.csv",
        lines(WEIGHT_HEADER, '1,4/1/2026,"scale,60.5', "2,4/1/2026,scale,61.5", '3,4/1/2026,"scale",70.5'),
        WEIGHTS,
        [("2", "2026-04-01", 61.5), ("3", "2026-04-01", 70.5)],
        rejected=1,
    ),
    "text of several lines": Read(
        "weight.csv",
        lines(WEIGHT_HEADER, '1,4/1/2026,"a scale\nof two lines, ""old""",60.5', "2,4/1/2026,scale,61.5"),
        WEIGHTS,
        [("1", "2026-04-01", 60.5), ("2", "2026-04-01", 61.5)],
    ),
    "a quote in a number": Read(
        "sleep.csv",
        lines(SLEEP_HEADER, '1,4/12/2016,1,3"2"7,346', "1,4/13/2016,1,327,346", '1,4/14/2016,1,"327",346'),
        NIGHTS,
        asleep("2016-04-13", "2016-04-14"),
        rejected=1,
    ),
    # numbers
    "thousands in quotes": Read(
        "daily_activity.csv",
        lines(ACTIVITY_HEADER, '1,4/13/2016,"9,123",25,13,328,728,"2,101"', "2,4/13/2016,812,25,13,328,728,990"),
        DAYS,
        [("1", "2016-04-13", 9123, 2101), ("2", "2016-04-13", 812, 990)],
        "numbers in TotalSteps have commas between thousands",
    ),
    "points between thousands": Read(
        "daily_activity.csv",
        lines(
            ACTIVITY_HEADER.replace(",", ";"),
            "1;2016-04-12;10.000;25;13;328;728;2.000",
            "2;2016-04-12;850;25;13;328;728;990",
        ),
        DAYS,
        [("1", "2016-04-12", 10000, 2000), ("2", "2016-04-12", 850, 990)],
        "points between thousands and a decimal comma",
    ),
    "spaces between thousands": Read(
        "daily_activity.csv",
        lines(
            ACTIVITY_HEADER, "1,2016-04-12,10\u202f000,25,13,328,728,2\u00a0000", "2,2016-04-12,850,25,13,328,728,990"
        ),
        DAYS,
        [("1", "2016-04-12", 10000, 2000), ("2", "2016-04-12", 850, 990)],
        "spaces between thousands",
    ),
    "decimal commas": Read(
        "weight.csv",
        lines("Id;Date;WeightKg", "1;2026-04-01;60,5", "2;2026-04-01;61,25"),
        WEIGHTS,
        [("1", "2026-04-01", 60.5), ("2", "2026-04-01", 61.25)],
        "numbers in WeightKg have a decimal comma",
    ),
    "fractions of whole numbers": Read(
        "daily_activity.csv",
        lines(ACTIVITY_HEADER, "1,4/13/2016,9123,25,13,328,728,2351.59", "2,4/13/2016,812.0,25,13,328,728,990.5"),
        DAYS,
        [("1", "2016-04-13", 9123, 2352), ("2", "2016-04-13", 812, 991)],
        "2 fractions in Calories are rounded to whole numbers",
    ),
    "thousands of a declared file": Read(
        "decimal_mark=comma/weight.csv",
        lines("Id;Date;WeightKg", "1;2026-04-01;70,500"),
        WEIGHTS,
        [("1", "2026-04-01", 70.5)],
        "because its path declares it",
    ),
    # no value
    "words for no value": Read(
        "sleep.csv",
        lines(
            SLEEP_HEADER,
            *(f"1,4/{day}/2016,{word},327,346" for day, word in enumerate(("NA", "N/A", "null", "None", "-", "--"), 1)),
            "1,4/13/2016,#N/A,327,346",
        ),
        NIGHTS,
        [("1", f"2016-04-{day:02}", None, 327) for day in (1, 2, 3, 4, 5, 6, 13)],
        "7 words like NA in TotalSleepRecords mean no value",
    ),
    "a word for no value in a required column": Read(
        "sleep.csv",
        lines(SLEEP_HEADER, "1,4/12/2016,1,NA,346", "1,4/13/2016,1,327,346", "NA,4/14/2016,1,327,346")
        + lines("1,4/15/2016,1,327,346"),
        NIGHTS,
        asleep("2016-04-13", "2016-04-15"),
        rejected=2,
    ),
    "lines of separators": Read(
        "sleep.csv",
        nights("4/12/2016", "4/13/2016") + b',,,,\n"","",,,\n , ,,,\n',
        NIGHTS,
        asleep("2016-04-12", "2016-04-13"),
    ),
    "a separator at the end of each row": Read(
        "sleep.csv",
        lines(SLEEP_HEADER, "1,4/12/2016,1,327,346,", "1,4/13/2016,1,327,346,"),
        NIGHTS,
        asleep("2016-04-12", "2016-04-13"),
        "each row has a delimiter more than the header",
    ),
    "a separator at the end of one row": Read(
        "sleep.csv",
        lines(SLEEP_HEADER, "1,4/12/2016,1,327,346", "1,4/13/2016,1,327,346,", "1,4/14/2016,1,327,346"),
        NIGHTS,
        asleep("2016-04-12", "2016-04-14"),
        rejected=1,
    ),
    "a spreadsheet's guards": Read(
        "sleep.csv",
        lines(SLEEP_HEADER, '="1",4/12/2016,1,327,346', "'1,4/13/2016,1,'327,346"),
        NIGHTS,
        asleep("2016-04-12", "2016-04-13"),
        "2 values of Id are guarded",
    ),
    "a spreadsheet's separator": Read(
        "sleep.csv",
        b"sep=;\n" + nights("4/12/2016", "4/13/2016", delimiter=";"),
        NIGHTS,
        asleep("2016-04-12", "2016-04-13"),
    ),
    "a line of totals": Read(
        "sleep.csv",
        lines(SLEEP_HEADER, "1,4/12/2016,1,327,346", "1,4/13/2016,1,327,346", "Total,,2,654,692"),
        NIGHTS,
        asleep("2016-04-12", "2016-04-13"),
        "1 lines of totals are left out",
    ),
    "the header twice": Read(
        "sleep.csv",
        lines(SLEEP_HEADER, "1,4/12/2016,1,327,346", SLEEP_HEADER, "1,4/13/2016,1,327,346"),
        NIGHTS,
        asleep("2016-04-12", "2016-04-13"),
        "the header stands 1 times more",
    ),
    "large values that are rejected": Read(
        "sleep.csv",
        lines(SLEEP_HEADER, "1,4/12/2016,1,1500,346", "1,4/13/2016,1,327,346", "1,4/14/2016,1,327,346"),
        NIGHTS,
        asleep("2016-04-13", "2016-04-14"),
        "1 large values of TotalMinutesAsleep are rejected: the mean of the others is too low",
        rejected=1,
    ),
}


@pytest.mark.parametrize("case", READ)
def test_a_file_is_read_as_it_is_meant(case: str, landing: Landing) -> None:
    expected = READ[case]
    result = load(landing, expected.name, expected.content)
    assert result.status == "loaded", result.reason
    assert landing.rows(expected.query) == expected.rows
    assert result.counts.rejected == expected.rejected
    assert expected.remark in "; ".join(map(str, result.remarks))


JANUARY_TO_DECEMBER = [f"2016-{month:02}-04 00:00:00" for month in range(1, 13)]
REFUSED = {
    "one day without evidence": ("sleep.csv", nights("04/05/2016"), "nothing tells which"),
    "one day with a time of 24 hours": ("sleep.csv", nights("4/5/2016 23:10"), "nothing tells which"),
    "a short year without evidence": (
        "user_id=7/physiological_cycles.csv",
        lines("Wake onset,Asleep duration (min),In bed duration (min)", "6/10/25 7:46,430,467"),
        "nothing tells which",
    ),
    "the name contradicts the device": ("sleep_2016-05-04.csv", nights("4/5/2016"), "nothing tells which"),
    "days of two orders": (
        "sleep.csv",
        nights("4/13/2016", "4/14/2016", "15/4/2016"),
        "line 4: the date is day first, and others of the file are month first",
    ),
    "days of two orders, far apart": (
        "sleep.csv",
        nights(*["4/13/2016"] * 20_000, "15/4/2016"),
        "line 20002: the date is day first",
    ),
    "a declared order that is wrong": (
        "date_order=DMY/sleep.csv",
        nights("4/13/2016", "4/14/2016"),
        "line 2: the date is not day first, as date_order=DMY declares",
    ),
    "ISO dates and others": ("sleep.csv", nights("2016-12-04", "4/13/2016"), "some of the dates are ISO dates"),
    "ISO dates and others, far apart": (
        "sleep.csv",
        nights(*["4/13/2016"] * 20_000, "2016-12-04"),
        "some of the dates are ISO dates",
    ),
    "dots and slashes": ("sleep.csv", nights("04.05.2016", "4/13/2016"), "the date is day first, and others"),
    "a swapped workbook": (
        "sleep.xlsx",
        workbook([SLEEP_HEADER.split(","), [1, datetime(2016, 12, 4), 1, 327, 346], [1, "4/13/2016", 1, 327, 346]]),  # noqa: DTZ001
        "a spreadsheet may have swapped day and month",
    ),
    "a workbook with all days swapped": (
        "sleep.xlsx",
        workbook([SLEEP_HEADER.split(","), *([1, datetime(2016, m, 4), 1, 327, 346] for m in range(1, 13))]),  # noqa: DTZ001
        "day and month swapped",
    ),
    "a workbook with one day swapped": (
        "sleep_2016-04-05.xlsx",
        workbook([SLEEP_HEADER.split(","), [1, datetime(2016, 5, 4), 1, 327, 346]]),  # noqa: DTZ001
        "day and month swapped",
    ),
    "a workbook whose numbers were misread": (
        "weight.xlsx",
        workbook([["Id", "Date", "WeightKg"], [1, datetime(2026, 4, 1), 1204], [2, datetime(2026, 4, 13), "6.25"]]),  # noqa: DTZ001
        "a spreadsheet may have misread their marks",
    ),
    "one number with an unclear mark": (
        "daily_activity.csv",
        lines(ACTIVITY_HEADER.replace(",", ";"), "1;2016-04-12;10.000;25;13;328;728;2000"),
        "column TotalSteps: the mark in its numbers may be a decimal mark or group thousands",
    ),
    "numbers of two kinds": (
        "weight.csv",
        lines("Id;Date;WeightKg", "1;2026-04-01;60,5", "2;2026-04-01;61.5"),
        "column WeightKg: its numbers are written in more than one way",
    ),
    "thousands with and without a mark": (
        "daily_activity.csv",
        lines(ACTIVITY_HEADER, '1,4/13/2016,"9,123",25,13,328,728,2101', "2,4/13/2016,9456,25,13,328,728,990"),
        "column TotalSteps: some of its numbers have a mark between thousands, and some do not",
    ),
    "another table below": (
        "sleep.csv",
        lines(SLEEP_HEADER, "1,4/13/2016,1,327,346", "Id,SleepDay,TotalSleepRecords,TotalTimeInBed,TotalMinutesAsleep"),
        "line 3: another table begins",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_may_mean_two_things_is_refused(case: str, landing: Landing) -> None:
    name, content, reason = REFUSED[case]
    result = load(landing, name, content)
    assert (result.status, result.counts.loaded) == ("refused", 0)
    assert reason in (result.reason or "")
    assert result.hint


def test_a_day_after_the_file_was_written_is_impossible(landing: Landing) -> None:
    result = load(landing, "sleep.csv", nights("06/05/2026"), datetime(2026, 5, 7, 6, tzinfo=UTC))
    assert landing.rows(NIGHTS) == asleep("2026-05-06")
    assert "after the file was written" in str(result.remarks[-1])


def test_files_that_left_no_doubt_tell_the_order_of_later_ones(landing: Landing) -> None:
    load(landing, "clinic/sleep_1.csv", nights("12/04/2016", "13/04/2016"))
    assert load(landing, "other/sleep_2.csv", nights("05/06/2016")).status == "refused"
    result = load(landing, "clinic/sleep_3.csv", nights("04/05/2016"))
    assert result.status == "loaded"
    assert landing.rows(NIGHTS) == asleep("2016-04-12", "2016-04-13", "2016-05-04")
    assert "earlier files of its folder" in str(result.remarks[-1])


def test_the_manifest_keeps_how_a_file_was_read(landing: Landing) -> None:
    load(landing, "sleep.csv", nights("12/04/2016", "13/04/2016"))
    ((dialect, remarks),) = landing.rows("select dialect, remarks from ops.raw_ingest_manifest")
    assert (dialect["date_order"], dialect["date_evidence"]) == ("DMY", "a day above 12 leaves no other order")
    assert remarks == [
        {
            "assumed": "dates are day first (DMY)",
            "evidence": "a day above 12 leaves no other order",
            "remedy": "If that is wrong, put date_order=MDY, DMY or YMD into the name of the file or of its folder.",
            "is_warning": False,
        }
    ]
