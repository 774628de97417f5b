"""A run ends with a report, also where it fails; none changes how the run ends."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ingestion import db, report, runner, transform
from ingestion.config import Settings
from ingestion.errors import PipelineError, UsageError
from ingestion.steps import RunOptions
from ingestion.storage import open_shelf
from tests.integration.conftest import Rows
from tests.integration.report.conftest import Study
from tests.integration.report.reading import figures

ACTIVITY = (
    "Id,ActivityDate,TotalSteps,TotalDistance,VeryActiveMinutes,FairlyActiveMinutes,"
    "LightlyActiveMinutes,SedentaryMinutes,Calories\n"
)
USERS = (1503960366, 4319703577)


def drop(settings: Settings, name: str, *lines: str) -> None:
    Path(settings.landing_zone, name).write_text(ACTIVITY + "".join(f"{line}\n" for line in lines))


def some_days(user: int, days: range = range(1, 29)) -> list[str]:
    return [f"{user},4/{day}/2016,{8000 + 10 * day},5.5,20,10,200,700,2000" for day in days]


def reports(settings: Settings) -> list[str]:
    return open_shelf(settings.reports).names()


def test_a_run_ends_with_a_report_and_none_is_written_where_nothing_has_changed(settings: Settings, rows: Rows) -> None:
    drop(settings, "daily_activity.csv", *some_days(USERS[0]), *some_days(USERS[1]))
    first = runner.run(settings)
    assert first.exit_code == 0, first.error_summary
    assert [step.name for step in first.steps] == ["migrate", "ingest", "dbt_build", "report"]
    name = f"report_{first.steps[0].started_at:%Y-%m-%d}"
    assert [re.sub(r"T\d{6}\.\d{3}Z.*", "", found) for found in reports(settings)] == ["latest.html", name]
    assert first.report == f"{settings.reports}/{reports(settings)[1]}"
    told = figures(Path(first.report))
    assert told["run"]["status"] == "success"
    assert [step["name"] for step in told["run"]["steps"]] == ["migrate", "ingest", "dbt_build"]
    assert len(told["people"]["name"]) == 2

    again = runner.run(settings)
    assert again.steps[-1].skipped
    assert again.report == first.report
    Path(first.report).unlink()
    assert not runner.run(settings).steps[-1].skipped, "it is gone, so it is written again"
    assert rows("select status from ops.pipeline_steps where step = 'report' order by started_at") == [
        ("success",),
        ("skipped",),
        ("success",),
    ]


def test_a_run_that_fails_before_there_are_marts_has_one(settings: Settings) -> None:
    result = runner.run(replace(settings, data_dir=str(Path(settings.landing_zone, "absent"))))
    assert result.exit_code == 78
    assert result.error_summary is not None
    assert result.error_summary.startswith("ingest: ConfigurationError")
    assert result.report is not None
    told = figures(Path(result.report))
    assert not told["hasMarts"]
    assert told["run"]["error"] == result.error_summary


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without dbt, which takes its time."""
    monkeypatch.setattr(transform, "build", lambda *_, **__: None)


@pytest.mark.usefixtures("unbuilt")
def test_a_report_that_cannot_be_written_changes_nothing(settings: Settings, rows: Rows, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    result = runner.run(replace(settings, report_dir=str(tmp_path / "a file")))
    assert result.exit_code == 0
    assert result.report is None
    assert rows("select status, error_summary is not null from ops.pipeline_steps where step = 'report'") == [
        ("failure", True)
    ]
    assert rows("select status, error_summary from ops.pipeline_runs") == [("success", None)]


@pytest.mark.usefixtures("unbuilt")
def test_the_run_fails_for_its_own_reason_where_the_report_fails_too(settings: Settings, tmp_path: Path) -> None:
    drop(settings, "sleep.csv", "1")
    (tmp_path / "a file").write_text("")
    result = runner.run(replace(settings, report_dir=str(tmp_path / "a file")))
    assert result.exit_code == 65
    assert str(result.error_summary).startswith("ingest: FilesRefusedError")


@pytest.mark.usefixtures("unbuilt")
def test_a_bug_in_the_report_is_none_of_the_runs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(report, "publish", fail)
    assert runner.run(settings).exit_code == 0


@pytest.mark.usefixtures("unbuilt")
def test_none_is_written_where_none_are_kept(settings: Settings) -> None:
    result = runner.run(replace(settings, reports_kept=0))
    assert result.steps[-1].skipped == "PIPELINE_REPORTS_KEPT is 0"
    assert result.report is None
    assert reports(settings) == []


def test_erasing_somebody_removes_the_reports_that_show_them(settings: Settings) -> None:
    settings = replace(settings, erasure_key="a long secret")
    drop(settings, "daily_activity.csv", *some_days(USERS[0]), *some_days(USERS[1]))
    runner.run(settings)
    drop(settings, "daily_activity_2016-04-29.csv", *some_days(USERS[0], range(29, 30)))
    runner.run(settings)
    assert len(reports(settings)) == 3
    result = runner.run(settings, "erase", RunOptions(user_id=USERS[1]))
    assert result.exit_code == 0, result.error_summary
    assert reports(settings) == ["latest.html", Path(str(result.report)).name]
    assert len(figures(Path(str(result.report)))["people"]["name"]) == 1


def test_a_report_needs_a_run(empty_database: object, settings: Settings, engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="nothing has been run"):
        report.write_latest(engine, settings, tmp_path / "report.html")


def test_a_failed_run_has_a_report_too_that_says_what_failed(study: Study) -> None:
    told = figures(study.failed)
    assert told["run"]["status"] == "failure"
    assert told["run"]["error"].startswith("ingest: FilesRefusedError: ")
    assert told["run"]["hint"]
    assert told["hasMarts"]
    assert [file["status"] for file in told["files"]["latest"][:2]] == ["refused", "loaded"]
    ((error,),) = study.rows("select error_summary from ops.pipeline_runs where exit_code = 65")
    assert told["run"]["error"] == error


@pytest.mark.usefixtures("unbuilt")
def test_the_same_failure_again_is_not_told_again(settings: Settings) -> None:
    Path(settings.landing_zone, "sleep.csv").write_text("Id,Nothing\n1,2\n")
    first = runner.run(settings)
    assert not first.steps[-1].skipped
    assert runner.run(settings).report == first.report
    Path(settings.landing_zone, "sleep.csv").unlink()
    assert runner.run(settings).report != first.report, "the last one says that a run failed"


@pytest.mark.usefixtures("unbuilt")
def test_only_the_last_are_kept(settings: Settings) -> None:
    settings = replace(settings, reports_kept=2)
    Path(settings.reports).mkdir()
    Path(settings.reports, "mine.html").write_text("not ours")
    names = []
    for day in range(1, 5):
        drop(settings, f"daily_activity_2016-04-0{day}.csv", *some_days(USERS[0], range(day, day + 1)))
        names.append(Path(str(runner.run(settings).report)).name)
    assert set(reports(settings)) == {"latest.html", "mine.html", *names[-2:]}
    assert Path(settings.reports, "latest.html").read_bytes() == Path(settings.reports, names[-1]).read_bytes()


def test_no_user_id_is_in_a_report_unless_asked_and_a_pseudonym_leads_back(study: Study, tmp_path: Path) -> None:
    users = {user_id for (user_id,) in study.rows("select distinct user_id from marts.fct_user_status")}
    for path in (study.report, study.failed):
        told = figures(path)
        assert not re.search("|".join(map(str, users)), str(told)), "neither as a name nor in the name of a file"
        assert "sleep_***.csv" in str(told["files"])
    names = told["people"]["name"]
    assert names == sorted(names), "the order of the ids would give them away"
    engine = db.create_engine(study.settings)
    assert {user for name in names for user in report.who(engine, name)} == users
    assert report.who(engine, names[0].lower().replace("-", "")) == report.who(engine, names[0])

    path = tmp_path / "report.html"
    report.write_latest(engine, study.settings, path)
    assert figures(path)["people"]["name"] == names, "the same in every report"
    report.write_latest(engine, replace(study.settings, report_user_ids=True), path)
    assert set(figures(path)["people"]["name"]) == {str(user) for user in users}


def test_a_pseudonym_that_is_none_is_said_to_be_none(study: Study) -> None:
    for text in ("", "K7QM", "no pseudonym", "0000-0000"):
        with pytest.raises(UsageError, match="pseudonym"):
            report.who(db.create_engine(study.settings), text)
