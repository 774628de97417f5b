"""At most one alert an hour while ops.alerts is unavailable."""

import os
import time
from pathlib import Path

import pytest

from ingestion.alerts.outage import OutageFile
from ingestion.config import AlertSettings, Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "alerts"


@pytest.fixture
def file(path: Path) -> OutageFile:
    return OutageFile(Settings(alerts=AlertSettings(state_file=path)))


def test_one_alert_an_hour(file: OutageFile, path: Path) -> None:
    assert file.allows("failure/run", "no connection")
    assert not file.allows("failure/run", "no connection")
    assert not file.allows("failure/ingest", "no connection")
    hour_ago = time.time() - 3601
    os.utime(path, (hour_ago, hour_ago))
    assert file.allows("failure/run", "no connection")


def test_the_outage_keeps_its_first_time(file: OutageFile, path: Path) -> None:
    file.allows("failure/run", "no connection")
    os.utime(path, (0, 0))
    file.allows("failure/run", "no answer")
    outage = file.end({"failure/run"})
    assert outage
    assert outage.summary == "no answer"
    assert time.time() - outage.since.timestamp() < 60


def test_the_outage_ends_with_its_topic_and_once(file: OutageFile) -> None:
    file.allows("failure/run", "no connection")
    assert file.end({"failure/migrate"}) is None
    assert file.end({"failure/run", "failure/migrate"})
    assert file.end({"failure/run"}) is None
    assert file.allows("failure/run", "no connection")


@pytest.mark.parametrize("content", ["", "{", '["x"]', "a\nb\nc\n", "ä\xff"])
def test_a_broken_file_counts_as_none(file: OutageFile, path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content, encoding="latin-1")
    assert file.end({"failure/run"}) is None
    assert file.allows("failure/run", "no connection")
