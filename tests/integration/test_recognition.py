"""Files are recognised by their columns as well as by their names, and looked at once."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from ingestion import recognition
from ingestion.landing import preview
from ingestion.recognition import Recognition, recognise
from ingestion.sources import Column, Dataset, Layout, declared
from ingestion.storage import LocalStorage, StoredFile, open_storage
from tests.apple import archive, export
from tests.drops import Invoke, Landing, activity, sleep

LAYOUTS = [(dataset, layout) for dataset in declared() for layout in dataset.layouts if not layout.table]
each_layout = pytest.mark.parametrize(
    ("dataset", "layout"), LAYOUTS, ids=[f"{d.name}-{x.device}-{x.stems[0]}" for d, x in LAYOUTS]
)
VALUES = {"timestamp": "2026-04-12T08:00:00", "boolean": "true"}


def headers(column: Column) -> tuple[str, ...]:
    """Return the headers that one file of a layout has for a column."""
    return (*column.parts, *column.join) or (() if column.constant is not None else (column.header,))


def content_of(layout: Layout) -> tuple[str, bytes]:
    """Return the suffix and the content of a file with a row that has all that a layout needs."""
    named = {header: VALUES.get(column.type, "1") for column in layout.required for header in reversed(headers(column))}
    named |= {group[0]: "1" for group in layout.has} | {header: "1" for header, _ in layout.where}
    if layout.format != "json":
        lines = [",".join(f'"{name}"' for name in named), ",".join(named.values())]
        return ".csv", "\n".join([*([layout.section] if layout.section else []), *lines, ""]).encode()
    row: dict[str, Any] = {}
    for path, value in named.items():
        place = row
        *outer, last = path.split(".")
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    document: Any = [row]
    for key in reversed([key for key in (layout.rows or "").split(".") if key]):
        inner = {key: document} | (dict(layout.when) if document == [row] else {})
        document = inner
    return ".json", json.dumps(document).encode()


def recognised(name: str, content: bytes, tmp_path: Path) -> Recognition:
    path = tmp_path / "file"
    path.write_bytes(content)
    return recognise(name, lambda: path.open("rb"))


def found(result: Recognition) -> set[tuple[str, str]]:
    return {(match.dataset.name, layout.device) for match in result.matches for layout in match.layouts}


@each_layout
def test_each_layout_is_recognised_by_its_name(dataset: Dataset, layout: Layout, tmp_path: Path) -> None:
    suffix, content = content_of(layout)
    for stem in layout.stems:
        result = recognised(f"user_id=7/{stem}{suffix}", content, tmp_path)
        assert (dataset.name, layout.device) in found(result), result.reason
        assert {match.by for match in result.matches} == {"name"}


@each_layout
def test_a_renamed_file_is_the_same_or_unknown(dataset: Dataset, layout: Layout, tmp_path: Path) -> None:
    suffix, content = content_of(layout)
    result = recognised(f"user_id=7/x{suffix}", content, tmp_path)
    if result.matches:
        assert (dataset.name, layout.device) in found(result)
        assert {device for _, device in found(result)} == {layout.device}
        assert {match.by for match in result.matches} == {"columns"}
    else:
        assert "it may be" in (result.reason or "") or "these columns" in (result.reason or "")
        if "it may be" in (result.reason or ""):
            assert f"{dataset.name} of {layout.device}" in (result.reason or "")


def test_renamed_files_with_telling_columns_are_recognised(tmp_path: Path) -> None:
    devices = set()
    for _, layout in LAYOUTS:
        suffix, content = content_of(layout)
        devices |= {device for _, device in found(recognised(f"x{suffix}", content, tmp_path))}
    assert devices >= {"Fitbit", "Garmin", "Oura", "Whoop", "Withings", "Samsung Health", "Health Auto Export"}


COMMON = {
    "x.csv": "Id,Time,Value\n1,4/12/2016 7:21:00 AM,97\n",
    "y.csv": "date,value\n2026-04-12,9120\n",
    "z.csv": "timestamp,bpm,source\n2026-04-12T08:00:00Z,61,sleep\n",
    "z.json": json.dumps([{"dateTime": "04/12/26 08:00:00", "value": "3"}]),
    "a.csv": "date,steps\n2026-04-12,9120\n",
}


@pytest.mark.parametrize("name", COMMON)
def test_columns_that_everybody_uses_need_a_name(name: str, tmp_path: Path) -> None:
    result = recognised(name, COMMON[name].encode(), tmp_path)
    assert result.matches == ()
    assert result.reason


def test_an_ambiguous_file_is_unknown_and_its_candidates_are_named(tmp_path: Path) -> None:
    result = recognised("x.csv", COMMON["x.csv"].encode(), tmp_path)
    assert result.matches == ()
    assert "it may be heart_rate of Fitbit" in (result.reason or "")


def test_another_devices_file_under_a_familiar_name_is_the_other_devices(landing: Landing) -> None:
    whoop = (
        "Cycle start time,Cycle end time,Cycle timezone,Sleep onset,Wake onset,"
        "Asleep duration (min),In bed duration (min)\n"
        "2026-05-09 22:00:00,2026-05-10 22:00:00,UTC-05:00,2026-05-09 23:00:00,2026-05-10 07:00:00,400,440\n"
    )
    landing.put("user_id=7/sleep.csv", whoop.encode())
    landing.put("sleep.csv", sleep(1))
    landing.put("user_id=7/x/nights.csv.gz", gzip.compress(whoop.replace("400", "401").encode()))
    result = {file.filename: (file.status, file.dataset) for file in landing.ingest().files}
    assert set(result.values()) == {("loaded", "sleep")}, result
    assert landing.rows("select source_filename, device from ops.raw_ingest_manifest order by 1") == [
        ("sleep.csv", "Fitbit"),
        ("user_id=7/sleep.csv", "Whoop"),
        ("user_id=7/x/nights.csv.gz", "Whoop"),
    ]


@pytest.mark.parametrize("name", ["eksport.zip", "导出.zip", "apple_health_export/exportar.xml", "backup.xml.gz"])
def test_apple_health_is_recognised_in_any_language(name: str, landing: Landing) -> None:
    content = export()
    if name.endswith(".zip"):
        content = archive(content)
    elif name.endswith(".gz"):
        content = gzip.compress(content)
    landing.put(f"user_id=7/{name}", content)
    result = landing.ingest()
    assert Counter(file.status for file in result.files) == {"loaded": 5}
    assert landing.rows("select distinct device from ops.raw_ingest_manifest") == [("Apple Health",)]


def test_other_xml_and_other_archives_are_unknown(landing: Landing) -> None:
    landing.put(
        "user_id=7/export_cda.xml", b'<?xml version="1.0"?>\n<ClinicalDocument><HealthData/></ClinicalDocument>\n'
    )
    landing.put("user_id=7/photos.zip", archive(b"<html></html>"))
    landing.put("sleep.csv", sleep(1))
    result = landing.statuses()
    assert result == {
        "sleep.csv": "loaded",
        "user_id=7/export_cda.xml": "unknown",
        "user_id=7/photos.zip": "unknown",
    }


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that are opened."""
    names: list[str] = []
    open_file = LocalStorage.open

    def note(self: LocalStorage, file: StoredFile) -> BinaryIO:
        names.append(file.name)
        return open_file(self, file)

    monkeypatch.setattr(LocalStorage, "open", note)
    return names


def test_an_unchanged_unknown_file_is_opened_once(landing: Landing, opened: list[str]) -> None:
    landing.put("sleep.csv", sleep(1))
    landing.put("notes.csv", b"what,why\na,b\n")
    landing.put("photo.jpg", b"\xff\xd8")
    assert landing.statuses() == {"notes.csv": "unknown", "photo.jpg": "unknown", "sleep.csv": "loaded"}
    assert "notes.csv" in opened
    assert "photo.jpg" not in opened, "no format has this suffix"
    opened.clear()
    assert landing.statuses() == {"notes.csv": "unknown", "photo.jpg": "unknown", "sleep.csv": "skipped"}
    shown = {each.file.name: each.detail for each in preview(landing.engine, open_storage(str(landing.root)))}
    assert shown["notes.csv"] == "no declared dataset has this name or these columns"
    assert "notes.csv" not in opened
    landing.put("notes.csv", activity(1))
    assert landing.statuses()["notes.csv"] == "loaded"


def test_other_declarations_look_at_files_again(
    landing: Landing, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.put("notes.csv", b"what,why\na,b\n")
    landing.statuses()
    opened.clear()
    monkeypatch.setattr(recognition.memory, "fingerprint", lambda: "other declarations")
    landing.statuses()
    assert opened == ["notes.csv"]


def test_a_file_that_becomes_another_dataset_is_refused_for_the_first(landing: Landing) -> None:
    landing.put("x.csv", sleep(1))
    assert landing.statuses() == {"x.csv": "loaded"}
    landing.put("x.csv", activity(1))
    result = landing.ingest()
    assert {(file.dataset, file.status) for file in result.files} == {
        ("daily_activity", "loaded"),
        ("sleep", "refused"),
    }
    assert landing.users() == [1], "rows of a content that is gone stay until a person retracts it"


def test_files_and_ls_name_the_device(
    landing: Landing, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(landing.root))
    landing.put("x.csv", sleep(1))
    assert invoke("ls", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["dataset"], shown["device"]) == ("sleep", "Fitbit")
    assert invoke("ingest") == 0
    capsys.readouterr()
    assert invoke("files", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)["files"]
    assert (listed["dataset"], listed["device"]) == ("sleep", "Fitbit")


def test_a_header_that_another_export_has_refuses_the_file(landing: Landing) -> None:
    header = "Sleep onset,Wake onset,Asleep duration (min),In bed duration (min),Nap"
    row = "2026-05-09 13:00:00,2026-05-09 13:40:00,35,40,true"
    landing.put("user_id=7/physiological_cycles.csv", f"{header}\n{row}\n".encode())
    result = {(file.dataset, file.status) for file in landing.ingest().files}
    assert ("sleep", "loaded") not in result, "a nap is no night"
    assert landing.rows("select count(*) from raw.sleep") == [(0,)]
