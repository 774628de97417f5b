"""The same rows come in whatever they are written in, and a bad one is named by its line."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from ingestion import db
from ingestion.config import Settings
from ingestion.ingest import FileResult, Plan, ingest
from ingestion.storage import open_storage

HEADER = "Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed,Mood"
ROWS = [
    {"Id": 1503960366, "SleepDay": f"2016-04-{day}", "TotalMinutesAsleep": 327, "total_time_in_bed": 346}
    for day in range(12, 20)
]

Load = Callable[[str, bytes], FileResult]
Rows = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def load(engine: Engine, settings: Settings) -> Load:
    def load(name: str, content: bytes) -> FileResult:
        path = Path(settings.landing_zone) / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
        (result,) = ingest(engine, open_storage(settings.landing_zone), uuid4(), Plan()).files
        return result

    return load


@pytest.fixture
def rows(engine: Engine) -> Rows:
    def rows(query: str) -> list[tuple[object, ...]]:
        with db.session(engine) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    return rows


def ndjson(*objects: object) -> bytes:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in objects).encode()


def test_ndjson(load: Load, rows: Rows) -> None:
    result = load("sleep.ndjson", ndjson(*ROWS))
    assert (result.status, result.counts.loaded) == ("loaded", len(ROWS)), result.reason
    assert rows("select distinct user_id, total_minutes_asleep, total_time_in_bed, _extra from raw.sleep") == [
        (1503960366, 327, 346, None)
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"Id": 1', "not_json"),
        ("[1, 2]", "not_json"),
        ('{"Id": 1, "id": 2}', "not_json"),
        ({**ROWS[0], "Id": None}, "missing_key"),
        ({**ROWS[0], "Id": "x"}, "not_castable"),
        ({**ROWS[0], "TotalMinutesAsleep": 1441}, "out_of_range"),
        ({**ROWS[0], "Note": "\x00"}, "nul_byte"),
        ({**ROWS[0], "Note": "\ud800"}, "undecodable"),
    ],
)
def test_a_bad_object_is_rejected_alone(bad: object, reason: str, load: Load, rows: Rows) -> None:
    result = load("sleep.jsonl.gz", gzip.compress(ndjson(*ROWS[:2], bad, "", *ROWS[2:])))
    assert (result.status, result.counts.loaded) == ("loaded", len(ROWS)), result.reason
    assert rows("select line_number, reason from ops.rejected_rows") == [(3, reason)]


def test_keys_that_are_not_declared_are_kept(load: Load, rows: Rows) -> None:
    result = load("sleep.jsonl", ndjson(*ROWS, {**ROWS[0], "Mood": "good", "Stages": {"rem": [1, None]}, "Nap": False}))
    assert result.counts.loaded == len(ROWS) + 1
    assert rows("select _extra from raw.sleep where _extra is not null") == [
        ({"Mood": "good", "Stages": '{"rem": ["1", null]}', "Nap": "false"},)
    ]


def test_objects_without_a_required_key_are_refused(load: Load) -> None:
    result = load("sleep.jsonl", ndjson({"Id": 1}))
    assert result.status == "refused"
    assert "lack SleepDay" in (result.reason or "")


def test_blank_headers_are_kept_under_their_position(load: Load, rows: Rows) -> None:
    result = load("sleep.csv", f"{HEADER},\n1,2016-04-12,1,2,3,,x\n".encode())
    assert result.extra == ("Mood", "column_7")
    assert rows("select _extra from raw.sleep") == [({"column_7": "x"},)]


def test_bad_rows_of_a_file_that_is_unpacked_and_transcoded(load: Load, rows: Rows) -> None:
    good = "".join(f"1;2016-04-{day};1;327;346;ü\r\n" for day in range(10, 30))
    text = "Export of April\r\n\r\n" + HEADER.replace(",", ";") + "\r\n" + good + "1;x;1;1;1;ä\r\n"
    result = load("2016/sleep.csv.gz", gzip.compress(text.encode("utf-16")))
    assert (result.counts.loaded, result.counts.rejected) == (20, 1)
    assert rows("select line_number, reason, convert_from(raw_line, 'UTF8') from ops.rejected_rows") == [
        (24, "not_castable", "1;x;1;1;1;ä")
    ]
