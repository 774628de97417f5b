"""The occasions of alerts: one cause for each thing that is wrong, so that only new causes notify a channel."""

import signal
from dataclasses import replace
from datetime import date

import pytest

from ingestion.alerts import occasions
from ingestion.config import AlertSettings, Settings
from ingestion.errors import BusyError, Interrupted, PipelineError, StatementError, TestsFailedError
from ingestion.results import Counts, FileResult, IngestResult, NodeResult, ReplayedFile, RetractedFile, RunResult, Step
from ingestion.volume import Volume


def failed(error: BaseException, step: str = "ingest") -> RunResult:
    return RunResult("run", error=error, steps=[Step("migrate", status="success"), Step(step, status="failure")])


def node(name: str, status: str) -> NodeResult:
    return NodeResult(f"test.{name}", name, "test", status, 1, None, 5, None, None)


def test_each_dbt_node_and_each_refused_file_is_a_cause() -> None:
    run = failed(TestsFailedError("dbt unique_x: 3 rows"), "dbt_build")
    run.nodes = [node("unique_x", "fail"), node("not_null_y", "pass"), node("accepted_z", "error")]
    run.ingest = IngestResult([FileResult("user_id=15/sleep.csv", "sleep", "refused"), FileResult("b", "x", "loaded")])
    assert occasions.failure(run).causes == (
        "dbt_build/TestsFailedError: accepted_z",
        "dbt_build/TestsFailedError: unique_x",
        "dbt_build/TestsFailedError: user_id=***/sleep.csv",
    )


def test_the_cause_of_a_failure_is_its_step_error_and_sqlstate() -> None:
    run = failed(StatementError("out of space", sqlstate="53100", hint="Make room."))
    run.error_summary = "ingest: StatementError [53100]: out of space"
    occasion = occasions.failure(run)
    assert occasion.causes == ("ingest/StatementError/53100",)
    assert (occasion.topic, occasion.hint) == ("failure/run", "Make room.")


def test_the_number_of_causes_is_limited() -> None:
    run = failed(PipelineError("bad"))
    run.ingest = IngestResult([FileResult(f"sleep_{n}.csv", "sleep", "refused") for n in range(5000)])
    assert len(occasions.failure(run).causes) == 200


@pytest.mark.parametrize(
    ("error", "policy", "expected"),
    [
        (PipelineError("bad"), "wait", True),
        (Interrupted(signal.SIGTERM), "wait", True),
        (Interrupted(signal.SIGINT), "wait", False),
        (BusyError("another"), "wait", True),
        (BusyError("another"), "decline", False),
    ],
)
def test_what_is_reported(error: BaseException, policy: str, *, expected: bool) -> None:
    settings = replace(Settings(), on_concurrent_run=policy)  # type: ignore[arg-type]
    assert occasions.is_reported(failed(error), settings) is expected


def test_a_quarantine_ends_when_its_rows_are_loaded_or_its_file_is_retracted() -> None:
    run = RunResult("replay")
    run.replayed = [ReplayedFile("a.csv", "sleep", 3, 0), ReplayedFile("b.csv", "sleep", 1, 2)]
    run.retracted = [RetractedFile("c.csv", "sleep", 10, 1)]
    found = list(occasions.quarantine(run, AlertSettings()))
    assert [(occasion.topic, occasion.causes) for occasion in found] == [
        ("quarantine/a.csv", ()),
        ("quarantine/c.csv", ()),
    ]


def test_a_file_with_several_datasets_counts_as_its_worst_dataset() -> None:
    run = RunResult("ingest")
    run.ingest = IngestResult(
        [
            FileResult("export.zip", "heart_rate", "loaded", Counts(read=1000, loaded=995, rejected=5)),
            FileResult("export.zip", "sleep", "loaded", Counts(read=10, loaded=6, rejected=4)),
            FileResult("export.zip", "weight", "loaded", Counts(read=10, loaded=10)),
        ]
    )
    (occasion,) = occasions.quarantine(run, AlertSettings(quarantine_rows=None, quarantine_percent=20))
    assert occasion.summary.startswith("export.zip: 4 of 10 rows")
    run = RunResult("replay")
    run.replayed = [ReplayedFile("export.zip", "heart_rate", 5, 0), ReplayedFile("export.zip", "sleep", 0, 4)]
    assert list(occasions.quarantine(run, AlertSettings())) == []


def test_a_dataset_and_its_sites_have_one_alert_for_a_low_volume() -> None:
    low = Volume("sleep", "all", date(2026, 11, 23), 18, 18, 36, 36, 8, is_low=True, low_in="participants and rows")
    sites = [replace(low, site="Bern", users=2), replace(low, site="Basel", is_low=False, low_in=None)]
    usual = replace(low, dataset="weight", is_low=False, low_in=None)
    found, ended = occasions.low_volume([low, *sites, usual])
    assert (found.kind, found.topic, found.causes) == ("volume", "volume/sleep", ("all", "Bern"))
    assert found.summary.count("sleep") == 2
    assert "sleep from Bern: fewer participants and rows than usual" in found.summary
    assert (ended.topic, ended.causes) == ("volume/weight", ())
