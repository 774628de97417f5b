"""Values that devices write otherwise than PostgreSQL reads them."""

from dataclasses import replace

import pytest

from ingestion.load.rewriting import minutes_east, rewrite
from ingestion.sources import Column

MOMENT = Column("measured_at", "time", "timestamp")


@pytest.mark.parametrize(
    ("offset", "minutes"),
    [
        ("UTC+02:00", 120),
        ("UTC-0500", -300),
        ("+05:30", 330),
        ("UTCZ", 0),
        ("Z", 0),
        ("UTC+9:00", 540),
        (" UTC+0000 ", 0),
        ("", None),
        ("UTC", 0),
        ("Europe/Berlin", None),
        ("UTC+24:00", None),
    ],
)
def test_an_offset_is_minutes_east_of_utc(offset: str, minutes: int | None) -> None:
    assert minutes_east(offset) == minutes


@pytest.mark.parametrize(
    ("text", "offset", "local"),
    [
        ("2026-04-13 03:00:00.000", "UTC-0500", "2026-04-12 22:00:00-05:00"),
        ("2026-10-04 20:42:00+0000", "+02:00", "2026-10-04 22:42:00+02:00"),
        ("2026-10-04T20:42:00Z", "+02:00", "2026-10-04 22:42:00+02:00"),
        # without an offset, it stays in UTC and says so
        ("2026-04-13 03:00:00", None, "2026-04-13 03:00:00Z"),
        ("soon", "+02:00", "soon"),
        ("0001-01-01 00:00:00", "-05:00", "0001-01-01 00:00:00"),
    ],
)
def test_a_moment_in_utc_becomes_local_time(text: str, offset: str | None, local: str) -> None:
    assert rewrite(replace(MOMENT, shift=("offset",)), text, offset) == local


@pytest.mark.parametrize(
    ("text", "offset", "told"),
    [
        ("2026-05-12 22:51:07", "UTC+02:00", "2026-05-12 22:51:07+02:00"),
        ("2026-05-12 22:51:07", "", "2026-05-12 22:51:07"),
        ("2026-05-12 22:51:07", None, "2026-05-12 22:51:07"),
        ("soon", "UTC+02:00", "soon"),
    ],
)
def test_a_local_moment_is_told_its_offset(text: str, offset: str | None, told: str) -> None:
    assert rewrite(replace(MOMENT, offset=("offset",)), text, offset) == told


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1776038400000", "2026-04-13 00:00:00"),
        ("-86400000", "1969-12-31 00:00:00"),
        # older exports write the day itself
        ("2021-05-04 00:00:00.000", "2021-05-04 00:00:00.000"),
        ("999999999999999", "999999999999999"),
    ],
)
def test_milliseconds_since_1970_are_a_moment(text: str, moment: str) -> None:
    assert rewrite(replace(MOMENT, written="epoch_ms"), text) == moment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT7H30M30S", "27030"),
        ("PT8H", "28800"),
        ("PT3240S", "3240"),
        ("PT1.500S", "1"),
        ("PT", "PT"),
        ("P1D", "P1D"),
        ("7:30", "7:30"),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: str) -> None:
    assert rewrite(replace(MOMENT, written="iso_duration"), text) == seconds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-13 25203", "2026-03-13 07:00:03"),
        ("2026-03-13 0", "2026-03-13 00:00:00"),
        ("2026-02-30 0", "2026-02-30 0"),
        ("2026-03-13", "2026-03-13"),
    ],
)
def test_a_date_and_the_seconds_of_its_day_are_a_moment(text: str, moment: str) -> None:
    assert rewrite(replace(MOMENT, written="date_and_seconds"), text) == moment


def test_words_are_translated_and_others_are_left() -> None:
    nap = Column("is_main_sleep", "Nap", "boolean", values=(("true", "false"), ("false", "true")))
    assert [rewrite(nap, word) for word in ("true", " False ", "maybe")] == ["false", "true", "maybe"]
