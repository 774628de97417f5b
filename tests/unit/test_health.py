"""What is judged to be wrong, and how bad it is; what a probe says of it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from ingestion.cli import status as overview
from ingestion.health import DatasetFreshness, State, Status, StepFailure, find_problems
from ingestion.history import RejectedCount, Run
from ingestion.tables import age, took
from ingestion.volume import Volume

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
GOOD = Run("0a" * 16, "run", "success", NOW - timedelta(hours=3), NOW - timedelta(hours=2), 3600, 0, None, None, "1")
FAILED = replace(GOOD, run_id="0b" * 16, status="failure", exit_code=69, error_summary="ingest: away", hint="Start it.")
DEAD = replace(GOOD, run_id="0c" * 16, status="dead", finished_at=None, seconds=None, exit_code=None)
RUNNING = replace(DEAD, run_id="0d" * 16, status="running")
MISCALLED = replace(FAILED, command="retract", exit_code=64)
STALE = DatasetFreshness("sleep", 1, 10, "sleep.csv", NOW - timedelta(hours=50), None, 180_000, 129_600, is_stale=True)
FRESH = replace(STALE, name="weight", stale_after_seconds=None, is_stale=False)
BUILD_FAILED = StepFailure("dbt_build", "0e" * 16, NOW - timedelta(hours=9), "TestsFailedError: 3 tests")


@pytest.mark.parametrize(
    ("runs", "codes"),
    [
        ([GOOD], []),
        ([GOOD, FAILED], []),
        ([RUNNING, GOOD], []),
        ([MISCALLED, GOOD], []),
        ([FAILED, GOOD], ["last_run_failed"]),
        ([RUNNING, FAILED], ["last_run_failed"]),
        ([MISCALLED, FAILED], ["last_run_failed"]),
        ([DEAD, GOOD], ["run_died"]),
        ([RUNNING], ["nothing_has_ended"]),
        ([MISCALLED], ["nothing_has_ended"]),
        ([], ["nothing_has_ended"]),
    ],
)
def test_the_latest_run_that_has_ended_decides(runs: list[Run], codes: list[str]) -> None:
    assert [problem.code for problem in find_problems(runs, [], [], NOW)] == codes


def test_a_build_that_failed_is_not_forgotten_over_a_later_run_of_another_kind() -> None:
    (problem,) = find_problems([GOOD], [BUILD_FAILED], [], NOW)
    assert (problem.state, problem.code, problem.run_id) == ("critical", "step_failed", BUILD_FAILED.run_id)
    assert problem.message == "the last dbt_build failed 9 h ago: TestsFailedError: 3 tests"


def test_a_failure_is_told_once() -> None:
    assert len(find_problems([FAILED], [replace(BUILD_FAILED, run_id=FAILED.run_id)], [], NOW)) == 1


def test_the_worst_comes_first_and_says_what_mends_it() -> None:
    problems = find_problems([FAILED], [], [STALE, FRESH], NOW)
    assert [(problem.state, problem.message, problem.hint) for problem in problems] == [
        ("critical", "run 0b0b0b0b (run) failed 2 h ago: ingest: away", "Start it."),
        ("warning", "sleep: no new file for 50 h (36 h allowed)", None),
    ]


def test_a_low_volume_is_a_warning_that_names_the_day_and_the_usual_figures() -> None:
    low = Volume("sleep", "all", date(2026, 11, 23), 18, 1801, 36, 3602.5, 8, is_low=True, low_in="rows")
    usual = replace(low, dataset="weight", is_low=False, low_in=None)
    (problem,) = find_problems([GOOD], [], [], NOW, volumes=[low, usual])
    assert (problem.state, problem.code, problem.dataset) == ("warning", "low_volume", "sleep")
    assert problem.message == (
        "sleep: fewer rows than usual on this weekday:"
        " 18 participants (usual: 36) and 1,801 rows (usual: 3,602) for Monday 2026-11-23"
    )


def status(*, runs: list[Run], datasets: list[DatasetFreshness]) -> Status:
    problems = find_problems(runs, [], datasets, NOW)
    rejected = [RejectedCount("sleep", "not_castable", "x", 12, 2), RejectedCount("sleep", "nul_byte", None, 3, 1)]
    return Status(NOW, problems, GOOD.finished_at, runs, datasets, [], {"loaded": 1}, rejected, [])


@pytest.mark.parametrize(
    ("runs", "datasets", "state", "healthy"),
    [
        ([GOOD], [FRESH], "ok", True),
        ([GOOD], [STALE], "warning", True),
        ([], [STALE], "unknown", False),
        ([FAILED], [STALE], "critical", False),
    ],
)
def test_the_worst_problem_is_the_state(
    runs: list[Run], datasets: list[DatasetFreshness], state: State, *, healthy: bool
) -> None:
    found = status(runs=runs, datasets=datasets)
    assert (found.state, found.is_healthy) == (state, healthy)


def test_a_probe_says_one_line_with_figures() -> None:
    assert overview.probe_line(status(runs=[GOOD], datasets=[STALE, FRESH])) == (
        "WARNING - sleep: no new file for 50 h (36 h allowed) |"
        " last_success_age=7200s;;;0 quarantined_rows=15;;;0 files_loading=0;;;0"
        " sleep_age=180000s;129600;;0 sleep_rows=10;;;0 weight_age=180000s;;;0 weight_rows=10;;;0"
    )


def test_what_a_probe_says_keeps_to_its_line_and_to_its_side_of_the_bar() -> None:
    odd = replace(FAILED, error_summary="a|b\nc")
    line = overview.probe_line(status(runs=[odd], datasets=[]))
    assert "\n" not in line
    assert line.split(" | ")[0] == "CRITICAL - run 0b0b0b0b (run) failed 2 h ago: a/b c"


@pytest.mark.parametrize(
    ("seconds", "shown_as_span", "shown_as_age"),
    [
        (None, "", ""),
        (-1, "-1000 ms", "0 s"),
        (0.0123, "12 ms", "0 s"),
        (59.4, "59.4 s", "59 s"),
        (125, "2 min 5 s", "2 min"),
        (7300, "2 h 1 min", "2 h"),
        (200_000, "55 h 33 min", "2 d"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float | None, shown_as_span: str, shown_as_age: str) -> None:
    assert (took(seconds), age(seconds)) == (shown_as_span, shown_as_age)
