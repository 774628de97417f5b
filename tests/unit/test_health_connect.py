"""Health Connect's database, from a telephone or from somebody who has changed it."""

import io
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingestion.errors import FileRefusedError
from ingestion.formats import Text, health_connect
from ingestion.formats.health_connect import HealthConnect
from ingestion.sources import Column, Layout
from tests.health_connect import write

COLUMNS = {
    "steps": ["start", "count", "app"],
    "distance": ["start", "kilometres", "app"],
    "heart_rate": ["time", "beats_per_minute", "app"],
    "weight": ["time", "kilograms", "app"],
    "sleep": ["start", "end", "asleep", "awake", "light", "deep", "rem", "in_bed", "app"],
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "health_connect_export.db"
    write(path)
    return path


def read(content: bytes, table: str = "steps") -> str:
    columns = tuple(Column(name, name, "text") for name in COLUMNS[table])
    layout = Layout("Health Connect", columns, "YMD", ("health_connect",), format="health_connect", table=table)
    text = Text("health_connect_export.db", io.BytesIO(content), own_format=HealthConnect(layout, "P, 1"))
    with closing(text):
        return b"".join(iter(lambda: text.read(1000), b"")).decode()


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (
            "steps",
            [
                "2026-03-13T07:00:00+01:00,412,com.invented.watch",
                "2026-03-13T07:00:00+01:00,205,com.invented.phone",
            ],
        ),
        ("distance", []),
        (
            "heart_rate",
            [
                "2026-03-13T07:00:05+01:00,58,com.invented.watch",
                "2026-03-13T07:00:15+01:00,61,com.invented.watch",
            ],
        ),
        ("weight", ["2026-03-13T07:10:00+01:00,71.4,com.invented.watch"]),
        (
            "sleep",
            [
                "2026-03-12T23:00:00+01:00,2026-03-13T07:00:00+01:00,450,30,240,90,120,480,com.invented.watch",
                # without stages, and on a journey
                "2026-03-14T23:00:00-04:00,2026-03-15T06:30:00-04:00,,,,,,450,com.invented.phone",
            ],
        ),
    ],
)
def test_a_table_is_read_as_csv(database: Path, table: str, rows: list[str]) -> None:
    header = ",".join(["user_id", *COLUMNS[table]])
    assert read(database.read_bytes(), table).splitlines() == [header, *(f'"P, 1",{row}' for row in rows)]


@pytest.mark.parametrize("table", ["steps_record_table", "application_info_table"])
def test_a_view_in_place_of_a_table_is_refused(database: Path, table: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"alter table {table} rename to other")
        connection.execute(f"create view {table} as select * from other")
    with pytest.raises(FileRefusedError, match="the database is not one of Health Connect"):
        read(database.read_bytes())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the database cannot be read"),
        (b"PK\3\4", "the database cannot be read"),
        (b"SQLite format 3\0" + bytes(100), "the database cannot be read"),
    ],
)
def test_another_file_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FileRefusedError, match=reason):
        read(content)


def test_another_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table places (url text)")
    with pytest.raises(FileRefusedError, match="the database is not one of Health Connect"):
        read(path.read_bytes())


def test_a_database_that_is_too_large_is_refused(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_connect, "_MOST_BYTES", 1000)
    with pytest.raises(FileRefusedError, match="the database is larger than"):
        read(database.read_bytes())


def test_damage_is_refused_or_harmless(database: Path) -> None:
    content = database.read_bytes()
    assert any(_is_refused(damaged) for damaged in _damaged(content))


def _damaged(content: bytes) -> Iterator[bytes]:
    chance = random.Random(1)  # noqa: S311
    for _ in range(10):
        damaged = bytearray(content)
        for _ in range(30):
            damaged[chance.randrange(100, len(damaged))] = chance.randrange(256)
        yield bytes(damaged)


def _is_refused(content: bytes) -> bool:
    try:
        return not read(content, "sleep").startswith("user_id,start,end,")
    except FileRefusedError:
        return True


def test_a_value_of_another_type_is_left_for_postgresql_to_reject(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("update steps_record_table set start_time = 'today', start_zone_offset = null")
        connection.execute("update steps_record_table set start_time = 1e300 where app_info_id = 2")
        connection.commit()
    assert [line.split(",")[2] for line in read(database.read_bytes()).splitlines()[1:]] == ["today", "1e+300"]
