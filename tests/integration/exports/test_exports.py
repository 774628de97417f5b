"""Every export as it arrives: each folder holds a device's landing zone, in its real layout and with invented values.

`expected/files.csv` says what each file is taken for, and the other files there hold the rows of the raw tables.
"""

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests import health_connect
from tests.datasets import DATASETS
from tests.drops import Landing

HERE = Path(__file__).parent
DEVICES = sorted(path.name for path in HERE.iterdir() if (path / "landing").is_dir())
LOAD_METADATA = {"_file_id", "_loaded_at", "_extra"}

each_device = pytest.mark.parametrize("device", DEVICES)


def drop(device: str, landing: Landing) -> None:
    """Copy the landing zone of a device."""
    shutil.copytree(HERE / device / "landing", landing.root, dirs_exist_ok=True)


def files(landing: Landing) -> str:
    """Ingest the landing zone, and return what became of each file as CSV."""
    found = [
        (file.filename, file.dataset or "", file.status, file.counts.loaded, file.counts.rejected)
        for file in landing.ingest().files
    ]
    return _csv(["file", "dataset", "status", "rows", "rejected"], sorted(found))


def raw_rows(landing: Landing) -> Iterator[tuple[str, str]]:
    """Yield each raw table that has rows, as CSV with the columns that have values."""
    for dataset in DATASETS:
        names = [name for (name,) in landing.rows(_columns_of(dataset.name)) if name not in LOAD_METADATA]
        rows = landing.rows(f"select {', '.join(names)} from raw.{dataset.name} order by {', '.join(names)}")
        filled = [place for place, _ in enumerate(names) if any(row[place] is not None for row in rows)]
        if rows:
            cells = [[row[place] for place in filled] for row in rows]
            yield dataset.name, _csv([names[place] for place in filled], cells)


def expected(device: str) -> dict[str, str]:
    """Return what `files` and `raw_rows` have to be for the landing zone of a device."""
    return {path.stem: path.read_text(encoding="utf-8") for path in (HERE / device / "expected").glob("*.csv")}


def _columns_of(table: str) -> str:
    return (
        "select column_name::text from information_schema.columns"
        f" where table_schema = 'raw' and table_name = '{table}' order by ordinal_position"
    )


def _csv(header: list[str], rows: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


@each_device
def test_a_device_is_loaded_untouched(device: str, landing: Landing) -> None:
    drop(device, landing)
    assert {"files": files(landing), **dict(raw_rows(landing))} == expected(device)


def test_health_connect_is_loaded_untouched(landing: Landing, tmp_path: Path) -> None:
    health_connect.write(tmp_path / "export.db")
    archive = landing.root / "user_id=128" / "Health Connect.zip"
    archive.parent.mkdir(parents=True)
    with ZipFile(archive, "w") as file:
        file.write(tmp_path / "export.db", "health_connect_export.db")
    assert {"files": files(landing), **dict(raw_rows(landing))} == expected("health_connect")


@each_device
def test_a_second_run_loads_nothing(device: str, landing: Landing) -> None:
    drop(device, landing)
    landing.ingest()
    assert {file.status for file in landing.ingest().files} <= {"skipped", "unknown"}


def test_nothing_else_of_a_profile_is_kept(landing: Landing) -> None:
    for device in ("fitbit_archive", "polar", "garmin"):
        drop(device, landing)
    (profile,) = landing.root.glob("user_id=107/**/Profile.csv")
    header, good = profile.read_text(encoding="utf-8").splitlines()
    profile.write_text(f"{header}\n{good}\n{good},one field more\n", encoding="utf-8")
    (body,) = landing.root.glob("**/*_userBioMetrics.json")
    body.write_text(body.read_text(encoding="utf-8").replace("{", '{"birthday": "1990-01-02", ', 1), encoding="utf-8")
    landing.ingest()
    quarantined = landing.rows("select reason, convert_from(raw_line, 'UTF8') from ops.rejected_rows")
    assert quarantined == [("too_many_fields", "")]
    for schema, table in landing.rows(
        "select schemaname::text, tablename::text from pg_tables where schemaname in ('raw', 'ops')"
    ):
        found = landing.rows(f"select t::text from {schema}.{table} as t where t::text ~ 'Invented Person|1990-01-02'")
        assert found == [], f"{schema}.{table}"
