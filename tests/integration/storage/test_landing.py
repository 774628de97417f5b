"""What a person gets: `ls`, `land`, and runs on a store as on a directory."""

import io
import json
import os
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ingestion import db, embedded
from ingestion.cli import main
from ingestion.config import Settings
from ingestion.ingest import Plan, ingest
from ingestion.landing import preview
from ingestion.runner import run
from ingestion.sources import datasets_for
from ingestion.storage import Storage, StoredFile
from tests.drops import sleep
from tests.integration.storage.conftest import Zone
from tests.integration.storage.proxy import Fault
from tests.integration.storage.test_faults import of_the_object

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


@pytest.fixture
def at(zone: Zone, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A person's environment: this database, this landing zone."""
    assert settings.database
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for name, value in settings.database.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIPELINE_DATA_DIR", zone.location)
    monkeypatch.setenv("PIPELINE_USE_MANIFEST", "1")
    return Settings.from_environment(os.environ)


def source_file(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str | None]]:
    capsys.readouterr()
    assert main(["ls", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {line["name"]: (line["state"], line["detail"]) for line in lines}


def test_from_landing_to_raw_and_what_ls_says_meanwhile(
    at: Settings, zone: Zone, engine: db.Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = source_file(tmp_path, "sleep_2026-01-20.csv", sleep(1, 2))
    notes = source_file(tmp_path, "notes.txt", b"hello")
    assert main(["land", first, notes]) == 0
    shown = capsys.readouterr().out
    assert "landed" in shown
    assert "no declared dataset" in shown
    (night, text) = sorted(zone.names(), key=lambda name: "unknown" in name)
    dataset, day, digits, name = night.split("/")
    assert (dataset, day, name, len(digits)) == ("sleep", TODAY, "sleep_2026-01-20.csv", 16)
    assert [dataset.name for dataset in datasets_for(name)][:1] == ["sleep"]
    assert text.startswith(f"unknown/{TODAY}/")

    assert {name: state for name, (state, _) in listed(capsys).items()} == {night: "new", text: "unknown"}
    result = run(at, "ingest")
    assert result.error is None
    assert result.ingest
    assert {file.filename: file.status for file in result.ingest.files} == {night: "loaded", text: "unknown"}
    assert listed(capsys)[night] == ("known", None)

    assert main(["land", first]) == 0
    assert "exists" in capsys.readouterr().out
    zone.put("copy/sleep.csv", sleep(1, 2))
    zone.put(night, sleep(1, 2, 3))
    states = listed(capsys)
    assert states[night] == ("changed", None)
    assert states["copy/sleep.csv"] == ("known", f"the bytes of {night}")


def test_ls_on_an_empty_database(empty_database: Any, zone: Zone) -> None:
    zone.put("sleep.csv", sleep(1))
    found = list(preview(db.create_engine(Settings(database=empty_database)), zone.open()))
    assert [(each.file.name, each.state) for each in found] == [("sleep.csv", "new")]


def test_a_known_object_is_not_read_again(store: Zone, settings: Settings, engine: db.Engine) -> None:
    store.put("sleep.csv", sleep(1))
    (first,) = ingest(engine, store.open(), uuid4(), Plan()).files
    script = store.proxy.breaks()
    (second,) = ingest(engine, store.open(), uuid4(), Plan()).files
    assert (first.status, second.status) == ("loaded", "skipped")
    assert not [seen for seen in script.seen if of_the_object(seen.method, seen.path)]
    assert len(script.seen) == 1, "the list is all that is asked for"


def test_a_line_that_breaks_during_a_load_leaves_each_row_once(
    store: Zone, settings: Settings, engine: db.Engine
) -> None:
    content = sleep(*range(20_000))
    store.put("sleep.csv", content)
    faults = [Fault("cut", 200_000), Fault("503"), Fault("reset"), Fault("cut", 100_001)]
    script = store.proxy.breaks(*faults, matches=of_the_object)
    (file,) = ingest(engine, store.open(), uuid4(), Plan()).files
    assert (file.status, file.counts.loaded) == ("loaded", 20_000)
    assert not script.faults
    with db.session(engine) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*), count(distinct user_id) as users from raw.sleep")
        assert cursor.fetchone() == (20_000, 20_000)


def test_four_workers_on_one_store(store: Zone, settings: Settings, engine: db.Engine) -> None:
    for number in range(8):
        store.put(f"{number}/sleep.csv", sleep(number))
    store.proxy.breaks(*[Fault("reset"), Fault("cut", 20)] * 3, matches=of_the_object)
    files = ingest(engine, store.open(), uuid4(), Plan(workers=4)).files
    assert [file.status for file in files] == ["loaded"] * 8
    with db.session(engine) as connection, connection.cursor() as cursor:
        cursor.execute("select user_id from raw.sleep order by 1")
        assert [user for (user,) in cursor] == list("01234567")


def test_an_object_that_changes_between_list_and_read_is_taken_up_by_the_next_run(
    s3: Zone, settings: Settings, engine: db.Engine
) -> None:
    class Late:
        """Lists, and only then lets the sender replace the object."""

        def __init__(self, storage: Storage) -> None:
            self._storage = storage

        def __getattr__(self, name: str) -> Any:
            return getattr(self._storage, name)

        def list(self) -> Any:
            files: list[StoredFile] = [*self._storage.list()]
            s3.put("sleep.csv", sleep(1, 2))
            return iter(files)

    s3.put("sleep.csv", sleep(1))
    (file,) = ingest(engine, Late(s3.open()), uuid4(), Plan()).files
    assert file.status == "refused"
    assert "changed" in str(file.reason)
    (file,) = ingest(engine, s3.open(), uuid4(), Plan()).files
    assert (file.status, file.counts.loaded) == ("loaded", 2)


@pytest.mark.parametrize("name", [".hidden.csv", "README.md", "sleep\x01.csv"])
def test_what_no_ingest_would_look_at_is_not_landed(
    name: str, s3: Zone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIPELINE_DATA_DIR", s3.location)
    assert main(["land", source_file(tmp_path, name, b"x")]) == 64
    assert "an ingest ignores files named like" in capsys.readouterr().err
    assert main(["land", str(tmp_path / "gone.csv")]) == 64
    assert s3.names() == []


@pytest.mark.parametrize("name", ["export.zip", "physiological_cycles.csv", "oura_sleep.csv"])
def test_an_export_of_one_person_is_landed_under_a_name_that_says_whose(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    zone = tmp_path / "zone"
    zone.mkdir()
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(zone))
    assert main(["land", source_file(tmp_path, name, b"x")]) == 64
    assert "export_user_id=P-017.zip" in capsys.readouterr().err
    named = name.replace(".", "_user_id=7.")
    assert main(["land", source_file(tmp_path, named, b"x")]) == 0
    ((folder, day, _, landed),) = (path.relative_to(zone).parts for path in zone.rglob("*.*") if path.is_file())
    assert (folder, day, landed) == ("apple_health" if name == "export.zip" else "sleep", TODAY, named)


def test_land_starts_no_database(
    s3: Zone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(embedded, "is_available", lambda: pytest.fail("no database is needed"))
    monkeypatch.setenv("PIPELINE_DATA_DIR", s3.location)
    assert main(["land", source_file(tmp_path, "sleep.csv", sleep(1))]) == 0


def test_a_missing_bucket_ends_the_run_with_78(
    s3: Zone, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert settings.database
    result = run(Settings(database=settings.database, data_dir="s3://no-such-bucket", use_manifest=True), "ingest")
    assert result.exit_code == 78
    assert "does not exist" in (result.error_summary or "")


def test_an_unchanged_archive_is_not_asked_for_again(s3: Zone, engine: db.Engine) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(30):
            file.writestr(f"Takeout/sleep-{number}.csv", sleep(number))
        file.writestr("Takeout/index.html", "<html/>")
    s3.put("takeout.zip", archive.getvalue())
    s3.put("takeout.tar", b"damaged")

    def statuses() -> Counter[str]:
        return Counter(file.status for file in ingest(engine, s3.open(), uuid4(), Plan(workers=4)).files)

    def requests() -> list[str]:
        return [seen.method for seen in script.seen if "takeout.zip" in seen.path]

    script = s3.proxy.breaks()
    assert statuses() == {"loaded": 30, "unknown": 2}
    assert requests() == ["GET"]
    script = s3.proxy.breaks()
    assert statuses() == {"skipped": 30, "unknown": 2}
    assert requests() == []
