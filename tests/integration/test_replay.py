"""Rejected rows are checked again from the manifest and the quarantine, without their file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from ingestion import db
from ingestion.config import Settings
from ingestion.ingest import Plan, ingest
from ingestion.load import Replayed, replay
from ingestion.sources import Dataset
from ingestion.storage import open_storage
from tests.datasets import SLEEP

HEADER = b"Id;SleepDay;TotalSleepRecords;TotalMinutesAsleep;TotalTimeInBed;Mood\n"
GOOD = b"1;4/12/2016;1;327;346;fair\n2;4/12/2016;1;327;346;\n" + b"2;4/13/2016;1;327;346;\n" * 2

Replay = Callable[[Dataset], Replayed]


@pytest.fixture
def replay_all(engine: db.Engine, settings: Settings) -> Replay:
    """Load a file of four good and three bad rows, delete it, and return a function that replays the bad ones."""
    path = Path(settings.landing_zone) / "sleep.csv"
    path.write_bytes(HEADER + GOOD + b"3;4/12/2016;1;1500;1500;good\n4;4/12/2016;1;x;9;\n5;4/12/2016;1\n")
    (result,) = ingest(engine, open_storage(settings.landing_zone), uuid4(), Plan()).files
    assert (result.counts.loaded, result.counts.rejected) == (4, 3)
    path.unlink()

    def replay_all(dataset: Dataset) -> Replayed:
        with db.transaction(engine) as connection, connection.cursor() as cursor:
            cursor.execute("select file_id, source_filename, header, dialect from ops.raw_ingest_manifest")
            ((file_id, filename, header, dialect),) = cursor
            cursor.execute("select line_number, raw_line from ops.rejected_rows order by 1")
            rejected = [(line, bytes(raw)) for line, raw in cursor]
            return replay(
                connection,
                dataset,
                rejected,
                target_schema="raw",
                file_id=file_id,
                filename=filename,
                header=header,
                dialect=dialect,
            )

    return replay_all


def test_rows_that_are_still_bad_stay_in_quarantine(replay_all: Replay) -> None:
    assert replay_all(SLEEP) == Replayed(
        (),
        {
            6: ("out_of_range", "total_minutes_asleep"),
            7: ("not_castable", "total_minutes_asleep"),
            8: ("too_few_fields", None),
        },
    )


def test_rows_that_a_corrected_declaration_accepts_are_loaded(replay_all: Replay, engine: db.Engine) -> None:
    columns = tuple(replace(column, maximum=None) for column in SLEEP.columns)
    with db.transaction(engine) as connection, connection.cursor() as cursor:
        for column in ("total_minutes_asleep", "total_time_in_bed"):
            cursor.execute(f"alter table raw.sleep drop constraint sleep_{column}_check")
    result = replay_all(replace(SLEEP, columns=columns))
    assert result.loaded == (6,)
    assert sorted(result.rejected) == [7, 8]
    with db.transaction(engine) as connection, connection.cursor() as cursor:
        cursor.execute("select user_id, total_time_in_bed, _extra, _file_id from raw.sleep where _extra is not null")
        assert sorted(cursor) == [("1", 346, {"Mood": "fair"}, 1), ("3", 1500, {"Mood": "good"}, 1)]
