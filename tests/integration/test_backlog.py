"""`ls` shows what `ingest` does, because one module decides for both."""

import json
import os
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from ingestion import db, retraction
from ingestion.ingest import Plan, ingest
from ingestion.landing import preview
from ingestion.storage import open_storage
from tests.drops import Invoke, Landing, sleep

# the state that ls shows, and the statuses that an ingest may report for it
STATUSES = {
    "new": {"loaded"},
    "changed": {"replaced"},
    "known": {"skipped", "duplicate"},
    "retracted": {"retracted"},
    "unsettled": {"unsettled"},
    "unknown": {"unknown"},
}


@pytest.fixture
def every_state(landing: Landing) -> Landing:
    """A landing zone with a file of every state; the unsettled one is written in the future."""
    landing.put("changed/sleep.csv", sleep(1))
    landing.put("known/sleep.csv", sleep(2))
    landing.put("retracted/sleep.csv", sleep(3))
    landing.ingest()
    with db.transaction(landing.engine) as connection:
        retraction.retract(connection, "raw", "retracted/sleep.csv", "wrong study", uuid4())
    landing.put("changed/sleep.csv", sleep(4))
    landing.put("duplicate/sleep.csv", sleep(2))
    landing.put("new/sleep.csv", sleep(5, 6))
    landing.put("unknown/stress.csv", b"Id\n1\n")
    for path in landing.root.rglob("*.csv"):
        os.utime(path, (0, 0))
    in_an_hour = datetime.now(UTC).timestamp() + 3600
    os.utime(landing.put("unsettled/sleep.csv", sleep(7)), (in_an_hour, in_an_hour))
    return landing


def test_ls_shows_what_an_ingest_does(every_state: Landing) -> None:
    storage = open_storage(str(every_state.root))
    shown = {each.file.name: each.state for each in preview(every_state.engine, storage, min_age_seconds=60)}
    assert shown == {
        "changed/sleep.csv": "changed",
        "duplicate/sleep.csv": "known",
        "known/sleep.csv": "known",
        "new/sleep.csv": "new",
        "retracted/sleep.csv": "retracted",
        "unknown/stress.csv": "unknown",
        "unsettled/sleep.csv": "unsettled",
    }
    result = ingest(every_state.engine, storage, uuid4(), Plan(min_age_seconds=60))
    for file in result.files:
        assert file.status in STATUSES[shown[file.filename]], file.filename


def test_ls_changes_nothing(every_state: Landing) -> None:
    manifest = "select * from ops.raw_ingest_manifest order by file_id"
    before = every_state.rows(manifest)
    assert list(preview(every_state.engine, open_storage(str(every_state.root))))
    assert every_state.rows(manifest) == before


def test_the_command_shows_retracted_and_unsettled_files(
    every_state: Landing, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIPELINE_MIN_AGE_SECONDS", "60")
    capsys.readouterr()
    assert invoke("ls", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    states = {line["name"]: line["state"] for line in lines}
    assert states["retracted/sleep.csv"] == "retracted"
    assert states["unsettled/sleep.csv"] == "unsettled"
