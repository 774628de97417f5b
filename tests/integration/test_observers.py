"""Observers are told what a run does, in order, and whatever they raise changes nothing."""

from pathlib import Path

import pytest

from ingestion import runner
from ingestion.config import Settings
from ingestion.observers import Observer
from ingestion.results import FileResult, RunResult, Step
from tests.drops import SLEEP_HEADER, sleep


class Scribe(Observer):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def run_started(self, run: RunResult) -> None:
        self.told.append(f"{run.command} started")

    def step_started(self, step: Step) -> None:
        self.told.append(f"{step.name} started")

    def step_ended(self, step: Step, error: BaseException | None) -> None:
        self.told.append(f"{step.name} {type(error).__name__ if error else step.status}")

    def file_ended(self, file: FileResult) -> None:
        self.told.append(f"{file.filename} {file.status}")

    def run_ended(self, run: RunResult) -> None:
        self.told.append(f"{run.command} ended with {run.exit_code}")


class Grumbler(Observer):
    """Fails at whatever it is told."""

    def run_started(self, run: RunResult) -> None:
        raise OSError(run.command)

    step_started = step_ended = file_ended = run_ended = run_started  # type: ignore[assignment]


def test_an_observer_is_told_what_happens_though_another_one_fails(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribe = Scribe()
    monkeypatch.setattr(runner, "observers_for", lambda _settings: [Grumbler(), scribe])
    Path(settings.landing_zone, "sleep.csv").write_bytes(sleep(1))
    Path(settings.landing_zone, "sleep_2.csv").write_text(SLEEP_HEADER.replace("SleepDay", "Night"))
    result = runner.run(settings, "ingest")
    assert result.exit_code == 65
    assert sorted(scribe.told[4:6]) == ["sleep.csv loaded", "sleep_2.csv refused"]
    assert scribe.told[:4] + scribe.told[6:] == [
        "ingest started",
        "migrate started",
        "migrate skipped",
        "ingest started",
        "ingest FilesRefusedError",
        "ingest ended with 65",
    ]
