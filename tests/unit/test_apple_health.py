"""The tables that are made of an Apple Health export. The format is Apple's; the content is invented."""

import csv
import io
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.db import Readable
from ingestion.errors import FileRefusedError
from ingestion.formats import Text
from ingestion.formats.apple_health import TABLES, AppleHealth
from ingestion.sources import Layout
from tests.apple import BODY_MASS, HEAD, HEART_RATE, STEPS, export, record, sleep
from tests.datasets import DATASETS

LAYOUTS = {
    layout.table: layout for dataset in DATASETS for layout in dataset.layouts if layout.format == "apple_health"
}


def chunks(table: str, stream: Readable) -> Iterator[bytes]:
    text = Text("export.xml", stream, own_format=AppleHealth(LAYOUTS[table], "7"))
    while chunk := text.read(1 << 18):
        yield chunk


def rows(table: str, content: bytes, size: int = 1 << 18) -> list[tuple[str, ...]]:
    """The rows, without the user's number; what is in `_extra` as it is."""
    stream = io.BytesIO(content)
    stream.read, read = (lambda _=-1: read(size)), stream.read  # type: ignore[method-assign]
    text = b"".join(chunks(table, stream)).decode()
    (header, *found) = csv.reader(io.StringIO(text))
    assert header == ["user_id", *(c.name for c in LAYOUTS[table].columns if c.name != "user_id"), "_extra"]
    assert {row[0] for row in found} <= {"7"}
    return [tuple(row[1:]) for row in found]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.table)
def test_declared_columns_exist(layout: Layout) -> None:
    columns = TABLES[layout.table].columns
    assert {column.header for column in layout.columns if column.name != "user_id"} <= set(columns)


def test_every_table_is_declared() -> None:
    assert set(LAYOUTS) == set(TABLES)


def test_heart_rate_has_one_row_per_record() -> None:
    content = export(
        record(HEART_RATE, "10:00:00", "10:00:00", "72"),
        record(HEART_RATE, "10:00:05", "10:00:05", "72.6", HKMetadataKeyHeartRateMotionContext="1"),
        record(HEART_RATE, "10:00:09", "10:00:09", "1.2", unit="count/s"),
    )
    for size in (7, 1 << 18):
        assert rows("heart_rate", content, size) == [
            ("2026-03-01 10:00:00", "60", "72", '{"sourceName": "Watch"}'),
            ("2026-03-01 10:00:05", "60", "73", '{"sourceName": "Watch"}'),
            # not in beats per minute
            (
                "2026-03-01 10:00:09",
                "60",
                "1.2 count/s 2026-03-01 10:00:09 +0100 2026-03-01 10:00:09 +0100",
                '{"sourceName": "Watch"}',
            ),
        ]


@pytest.mark.parametrize(
    ("value", "unit", "kilograms"), [("70.5", "kg", "70.5"), ("155", "lb", "70.3068"), ("11", "st", "69.8532")]
)
def test_weights_are_in_kilograms(value: str, unit: str, kilograms: str) -> None:
    content = export(record(BODY_MASS, "07:00:00", "07:00:00", value, "Scale", unit=unit, HKWasUserEntered="1"))
    ((at, offset, weight, typed, extra),) = rows("body_mass", content)
    assert (at, offset, weight, typed) == ("2026-03-01 07:00:00", "60", kilograms, "true")
    assert json.loads(extra) == {"sourceName": "Scale", "value": value, "unit": unit}


def test_steps_that_two_devices_counted_count_once() -> None:
    content = export(
        # both were worn: the watch counted more
        record(STEPS, "10:00:00", "10:10:00", "900", "Phone"),
        record(STEPS, "10:00:00", "10:05:00", "500"),
        record(STEPS, "10:05:00", "10:10:00", "520"),
        # the watch is on its charger
        record(STEPS, "12:10:00", "12:20:00", "300", "Phone"),
        # across an hour, and across midnight
        record(STEPS, "13:50:00", "14:10:00", "100"),
        record(STEPS, "23:30:00", "2026-03-02 00:30:00", "80"),
        record(STEPS, "2026-03-02 05:00:00", "2026-03-02 05:00:00", "3"),
    )
    hours = rows("steps_by_hour", content)
    assert {row[1] for row in hours} == {"60"}
    assert [(row[0], row[2]) for row in hours] == [
        ("2026-03-01 10:00:00", "1020"),
        ("2026-03-01 12:00:00", "300"),
        ("2026-03-01 13:00:00", "50"),
        ("2026-03-01 14:00:00", "50"),
        ("2026-03-01 23:00:00", "40"),
        ("2026-03-02 00:00:00", "40"),
        ("2026-03-02 05:00:00", "3"),
    ]
    assert json.loads(hours[0][3]) == {"Watch": "1020", "Phone": "900"}
    days = rows("steps_by_day", content)
    assert [(day, steps, json.loads(extra)) for day, steps, extra in days] == [
        ("2026-03-01", "1460", {"Watch": "1160", "Phone": "1200"}),
        ("2026-03-02", "43", {"Watch": "43"}),
    ]


@pytest.mark.parametrize(
    ("begin", "end", "value", "unit"),
    [
        ("10:00:00", "09:00:00", "5", "count"),
        ("10:00:00", "10:00:00", "-5", "count"),
        ("10:00:00", "10:00:00", "NaN", "count"),
        ("10:00:00", "10:00:00", "", "count"),
        ("10:00:00", "10:00:00", "5", "m"),
        ("2026-13-01 10:00:00", "10:00:00", "5", "count"),
        ("soon, and later", "10:00:00", "5", "count"),
    ],
)
def test_impossible_steps_become_rows_that_the_load_rejects(begin: str, end: str, value: str, unit: str) -> None:
    content = export(record(STEPS, begin, end, value, unit=unit), record(STEPS, "11:00:00", "11:01:00", "9"))
    bad, good = rows("steps_by_day", content)
    assert good[:2] == ("2026-03-01", "9")
    assert not bad[1].isdigit()


def test_a_night_belongs_to_the_day_on_which_it_ends() -> None:
    content = export(
        sleep("22:45:00", "2026-03-02 07:00:00", "InBed", "Phone"),
        sleep("23:00:00", "2026-03-02 03:00:00", "AsleepCore"),
        sleep("2026-03-02 03:00:00", "2026-03-02 03:15:00", "Awake"),
        sleep("2026-03-02 03:15:00", "2026-03-02 05:00:00", "AsleepDeep"),
        sleep("2026-03-02 05:00:00", "2026-03-02 06:30:00", "AsleepREM"),
        # another program saw less of the same night, and its stages overlap
        sleep("23:30:00", "2026-03-02 05:00:00", "AsleepUnspecified", "App"),
        sleep("2026-03-02 04:00:00", "2026-03-02 05:30:00", "Asleep", "App"),
        # a nap
        sleep("2026-03-02 14:00:00", "2026-03-02 14:40:00", "AsleepCore"),
        # only the phone saw the next night
        sleep("2026-03-02 23:00:00", "2026-03-03 06:00:00", "InBed", "Phone"),
    )
    (first, second) = rows("sleep_by_day", content)
    assert first[:4] == ("2026-03-02", "2", str(240 + 105 + 90 + 40), str(495 + 40))
    assert json.loads(first[4]) == {"Watch": str(240 + 105 + 90 + 40), "App": "360"}
    assert second == ("2026-03-03", "1", "", "420", "")


def test_a_gap_of_more_than_an_hour_splits_a_night() -> None:
    night = sleep("00:00:00", "02:00:00", "Asleep")
    for begin, periods in (("03:00:00", "1"), ("03:01:00", "2")):
        ((_, found, _, in_bed, _),) = rows("sleep_by_day", export(night, sleep(begin, "06:00:00", "Asleep")))
        assert found == periods
        assert int(in_bed) == 300 - int(begin[3:5])


def test_impossible_sleep_becomes_rows_that_the_load_rejects() -> None:
    content = export(sleep("02:00:00", "01:00:00", "Asleep"), sleep("01:00:00", "02:00:00", "Dreaming"))
    assert [row[2].split()[0] for row in rows("sleep_by_day", content)] == [
        "HKCategoryValueSleepAnalysisAsleep",
        "HKCategoryValueSleepAnalysisDreaming",
    ]


def test_a_record_s_own_time_zone_takes_precedence() -> None:
    """The export writes times in the zone that the phone had at the export."""
    night = ("2026-03-02 05:00:00", "2026-03-02 12:00:00", "Asleep")
    for zone, day in (("America/New_York", "2026-03-02"), ("Pacific/Auckland", "2026-03-03"), ("../x", "2026-03-02")):
        ((found, *_),) = rows("sleep_by_day", export(sleep(*night, HKTimeZone=zone)))
        assert found == day


@pytest.mark.parametrize("table", TABLES)
def test_an_export_without_records_of_a_type_has_no_rows(table: str) -> None:
    assert rows(table, export()) == []


BOMB = (
    b'<!DOCTYPE HealthData [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 10) for c in b"bcdefghij")
    + b"]>"
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "this is not an export of Apple Health"),
        (b"<ClinicalDocument></ClinicalDocument>", "this is not an export of Apple Health"),
        (b"x" * (3 << 20), "this is not an export of Apple Health"),
        (export()[:-20], "the export is incomplete"),
        (export(record(STEPS, "10:00:00", "10:00:00", "1"))[:-700], "the export is incomplete"),
        (export().replace(b"<Me ", b"<Me <"), "line 14: invalid XML"),
        (export().replace(b'value="2026', b'value="\xff'), "line 13: invalid XML"),
        (BOMB + b'<HealthData locale="&j;"></HealthData>', "invalid XML"),
        (b"<HealthData>" + BOMB + b"</HealthData>", "invalid XML"),
        (export() + b"<HealthData/>", "invalid XML"),
        (b'<HealthData locale="' + b"x" * (18 << 20), "an element is longer than 16 MiB"),
    ],
)
def test_an_invalid_export_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FileRefusedError, match=reason):
        rows("steps_by_day", content)


def test_control_characters_are_removed() -> None:
    content = export(record(STEPS, "10:00:00", "10:00:00", "5", "Wa\x0btch\x00"))
    assert rows("steps_by_day", content) == [("2026-03-01", "5", '{"Watch": "5"}')]


class Endless(io.RawIOBase):
    """An export that is generated while it is read."""

    def __init__(self, records: Iterable[str]) -> None:
        self._records = chain((HEAD,), records, ("</HealthData>",))

    def read(self, _size: int = -1) -> bytes:
        return next(self._records, "").encode()


def test_a_long_export_is_streamed() -> None:
    def beats() -> Iterator[str]:
        beat = record(HEART_RATE, "10:00:00", "10:00:00", "72")
        for _ in range(300):
            yield beat * 100

    tracemalloc.start()
    stream = Endless(beats())
    count = sum(chunk.count(b"\n") for chunk in chunks("heart_rate", stream))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 30_001
    assert peak < 5 << 20


Span = tuple[int, int, int, str]
spans = st.lists(
    st.tuples(
        st.integers(0, 2 * 86_400),
        st.integers(0, 4 * 3_600),
        st.integers(0, 5_000),
        st.sampled_from(["Watch", "Phone"]),
    ),
    max_size=20,
)


def moment(second: int) -> str:
    return f"{datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=second):%Y-%m-%d %H:%M:%S}"


@given(spans)
def test_steps_lie_between_those_of_one_device_and_of_all(found: list[Span]) -> None:
    records = [record(STEPS, moment(at), moment(at + long), str(count), dataset) for at, long, count, dataset in found]
    days = rows("steps_by_day", export(*records))
    assert rows("steps_by_day", export(*reversed(records))) == days
    steps = sum(int(row[1]) for row in days)
    by_dataset = {dataset: sum(count for *_, count, its in found if its == dataset) for dataset in ("Watch", "Phone")}
    # a day or an hour is a whole number
    assert max(by_dataset.values()) - 3 <= steps <= sum(by_dataset.values()) + 3
    counted = [json.loads(row[2]) if row[2] else {} for row in days]
    for dataset, count in by_dataset.items():
        assert abs(sum(int(each.get(dataset, 0)) for each in counted) - count) <= 3
    hours = rows("steps_by_hour", export(*records))
    assert abs(sum(int(row[2]) for row in hours) - steps) <= len(hours)


@given(spans)
def test_minutes_asleep_do_not_exceed_minutes_in_bed(found: list[Span]) -> None:
    stages = ("AsleepCore", "Awake", "InBed")
    records = [sleep(moment(at), moment(at + long), stages[count % 3], dataset) for at, long, count, dataset in found]
    nights = rows("sleep_by_day", export(*records))
    assert rows("sleep_by_day", export(*reversed(records))) == nights
    for _, periods, asleep, in_bed, _ in nights:
        assert int(periods) >= 1
        assert int(asleep or 0) <= int(in_bed)
    covered = {second for at, long, *_ in found for second in range(at, at + long)}
    assert abs(sum(int(night[3]) for night in nights) - len(covered) / 60) <= len(nights)


def test_an_export_with_too_many_hours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.formats.apple_health.table._MAX_IN_MEMORY", 100)
    content = export(record(STEPS, "2026-01-01 00:00:00", "2026-03-01 00:00:00", "5"))
    with pytest.raises(FileRefusedError, match="more than 100 hours"):
        rows("steps_by_day", content)
