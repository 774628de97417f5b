"""`sources`, `sources check` and `sources new`."""

import json
import tomllib
from pathlib import Path

import pytest

from ingestion.sources import declared
from ingestion.sources.declarations import read
from tests.drops import Invoke, Landing

MOOD = "participant_id;Felt At;Mood Score;Weight of it;is good;note\nP-007;2026-04-12 08:00;4;1.5;true;secret words\n"


def test_everything_that_is_declared_is_listed(invoke: Invoke, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("sources", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["sources"]
    assert len(listed) == sum(len(dataset.layouts) for dataset in declared())
    assert {"device", "files", "dataset", "required", "columns"} == listed[0].keys()
    assert invoke("sources") == 0
    shown = capsys.readouterr().out
    for layout in (layout for dataset in declared() for layout in dataset.layouts):
        assert layout.device in shown


def test_a_file_on_this_machine_is_checked(
    tmp_path: Path, landing: Landing, invoke: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nights.csv"
    path.write_text(
        "Note,Id,SleepDay,TotalSleepRecords,TotalMinutesAsleep,TotalTimeInBed\n"
        "x,1,4/13/2016 12:00:00 AM,1,327,346\nx,2,4/14/2016 12:00:00 AM,1,many,346\n"
    )
    assert invoke("sources", "check", str(path), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    (filling,) = found["fillings"]
    assert (filling["dataset"], filling["device"], filling["recognised_by"]) == ("sleep", "Fitbit", "columns")
    assert filling["columns"]["total_minutes_asleep"] == ["TotalMinutesAsleep"]
    assert (filling["extra"], filling["person"], filling["date_order"]) == (["Note"], "column Id", "MDY")
    (tried,) = found["dry_run"]
    assert (tried["status"], tried["read"], tried["loaded"], tried["rejected"]) == ("loaded", 2, 1, 1)
    assert landing.rows("select count(*) from raw.sleep") == [(0,)]
    assert landing.rows("select count(*) from ops.raw_ingest_manifest") == [(0,)]
    assert invoke("sources", "check", str(path)) == 0
    shown = capsys.readouterr().out
    assert "sleep of Fitbit, by its columns" in shown
    assert "kept in _extra: Note" in shown
    assert "2 rows read, 1 loaded, 1 rejected" in shown


def test_a_file_of_the_landing_zone_is_checked(
    landing: Landing, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(landing.root))
    landing.put("user_id=7/physiological_cycles.csv", b"Wake onset,Asleep duration (min),In bed duration (min)\n")
    assert invoke("sources", "check", "user_id=7/physiological_cycles.csv", "--json") == 0
    (filling,) = json.loads(capsys.readouterr().out)["fillings"]
    assert (filling["device"], filling["recognised_by"], filling["person"]) == ("Whoop", "name", "7")


def test_what_would_not_be_loaded_is_bad_data(
    tmp_path: Path, invoke: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.csv").write_text("what,why\na,b\n")
    assert invoke("sources", "check", str(tmp_path / "notes.csv")) == 65
    assert "notes.csv is unknown: no declared dataset" in capsys.readouterr().err
    (tmp_path / "physiological_cycles.csv").write_text("Wake onset,Asleep duration (min),In bed duration (min)\n")
    assert invoke("sources", "check", str(tmp_path / "physiological_cycles.csv")) == 65
    assert "would be refused: the path of this Whoop export names no participant" in capsys.readouterr().out
    assert invoke("sources", "check", str(tmp_path / "gone.csv"), "--data-dir", str(tmp_path)) == 64
    assert "there is no file" in capsys.readouterr().err


def test_an_unknown_file_is_drafted_without_its_values(
    tmp_path: Path, landing: Landing, invoke: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "moods.csv"
    path.write_text(MOOD)
    into = tmp_path / "datasets"
    assert invoke("sources", "new", str(path), "--name", "mood", "--into", str(into)) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [each.suffix for each in written] == [".toml", ".sql", ".sql", ".yml"]
    for each in written:
        text = each.read_text()
        assert not any(value in text for value in ("P-007", "2026-04-12", "secret", "1.5"))
    declaration = tomllib.loads(written[0].read_text())
    assert {name: column["type"] for name, column in declaration["columns"].items()} == {
        "user_id": "text",
        "felt_at": "timestamp",
        "mood_score": "integer",
        "weight_of_it": "double precision",
        "is_good": "boolean",
        "note": "text",
    }
    assert declaration["key"] == ["user_id", "felt_at"]
    (tmp_path / "devices").mkdir()
    (mood,) = read(into, tmp_path / "devices")
    landing.rows(written[1].read_text() + "; select 1")
    columns = landing.rows(
        "select column_name from information_schema.columns where table_schema = 'raw' and table_name = 'mood'"
        " order by ordinal_position"
    )
    assert [name for (name,) in columns] == [*mood.by_name, "_extra", "_file_id", "_loaded_at"]
    assert invoke("sources", "new", str(path), "--name", "mood", "--into", str(into)) == 64
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1503960366,4/12/2016,1,2\n", "none of the first lines is a header"),
        ("a,b\n1,2\n", "no column has dates or times"),
    ],
)
def test_what_cannot_be_drafted(
    content: str, reason: str, tmp_path: Path, invoke: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_text(content)
    assert invoke("sources", "new", str(tmp_path / "x.csv"), "--name", "mood", "--into", str(tmp_path)) == 65
    assert reason in capsys.readouterr().err
    assert list(tmp_path.glob("*.toml")) == []
