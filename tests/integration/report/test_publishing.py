"""A run ends with a report, even if it fails, and the report never changes the outcome of the run."""

import os
import re
import stat
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

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


def put(settings: Settings, name: str, *lines: str) -> None:
    Path(settings.landing_zone, name).write_text(ACTIVITY + "".join(f"{line}\n" for line in lines))


def some_days(user: int, days: range = range(1, 29)) -> list[str]:
    return [f"{user},4/{day}/2016,{8000 + 10 * day},5.5,20,10,200,700,2000" for day in days]


def reports(settings: Settings) -> list[str]:
    return open_shelf(settings.reports).names()


def test_a_run_ends_with_a_report_unless_nothing_has_changed(settings: Settings, rows: Rows) -> None:
    put(settings, "daily_activity.csv", *some_days(USERS[0]), *some_days(USERS[1]))
    first = runner.run(settings)
    assert first.exit_code == 0, first.error_summary
    assert [step.name for step in first.steps] == ["migrate", "ingest", "dbt_build", "report"]
    name = f"report_{first.steps[0].started_at:%Y-%m-%d}"
    assert [re.sub(r"T\d{6}\.\d{3}Z.*", "", found) for found in reports(settings)] == ["latest.html", name]
    assert first.report == f"{settings.reports}/{reports(settings)[1]}"
    shown = figures(Path(first.report))
    assert shown["run"]["status"] == "success"
    assert [step["name"] for step in shown["run"]["steps"]] == ["migrate", "ingest", "dbt_build"]
    assert len(shown["participants"]["name"]) == 2

    again = runner.run(settings)
    assert again.steps[-1].skipped
    assert again.report == first.report
    Path(first.report).unlink()
    assert not runner.run(settings).steps[-1].skipped, "the file is gone, so the report is written again"
    assert rows("select status from ops.pipeline_steps where step = 'report' order by started_at") == [
        ("success",),
        ("skipped",),
        ("success",),
    ]


def test_only_the_owner_and_the_group_of_the_folder_can_read_reports(settings: Settings) -> None:
    folder = Path(settings.reports)
    put(settings, "daily_activity.csv", *some_days(USERS[0]))
    assert runner.run(settings).exit_code == 0
    assert mode(folder) == 0o700
    assert {mode(path) for path in folder.iterdir()} == {0o640}
    # as an earlier version has left them
    folder.chmod(0o755)
    earlier = folder / "report_2026-01-01T000000.000Z_00000000-0000-0000-0000-000000000000.html"
    other = folder / "index.html"
    for path in (earlier, other):
        path.write_text("x")
        path.chmod(0o644)
    report.publish_latest(db.create_engine(settings), settings)
    assert mode(folder) == 0o755, "an administrator may have opened it"
    assert {mode(path) for path in folder.glob("report_*")} == {0o640}
    assert mode(other) == 0o644


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_report_removes_what_killed_runs_have_left_behind(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch, output = tmp_path / "scratch", tmp_path / "output"
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    put(settings, "daily_activity.csv", *some_days(USERS[0]))
    names = (".wearables-report-abcd1234", ".wearables-dbt-abcd1234")
    folders = [parent / name for parent, name in ((scratch, names[0]), (scratch, names[1]), (output, names[0]))]
    kept = [scratch / "report-abcd1234", scratch / ".wearables-report-efgh5678", scratch / ".wearables-report-short"]
    part = Path(settings.reports, ".report-abcd1234")
    for folder in (*folders, *kept, part.parent):
        folder.mkdir(parents=True)
        folder.joinpath("latest.html").write_text("x")
    part.write_text("x")
    for path in (*folders, kept[0], kept[2], part):
        os.utime(path, (time.time() - 90_000,) * 2)
    link = scratch / ".wearables-report-ijkl9012"
    link.symlink_to(kept[0])
    assert runner.run(settings).exit_code == 0
    report.write_latest(db.create_engine(settings), settings, output / "here.html")
    assert not any(path.exists() for path in (*folders, part))
    assert all(path.joinpath("latest.html").exists() for path in (*kept, link))
    assert {path.name for path in output.iterdir()} == {"here.html"}


def test_a_run_that_fails_before_the_marts_exist_has_a_report(settings: Settings) -> None:
    result = runner.run(replace(settings, data_dir=str(Path(settings.landing_zone, "absent"))))
    assert result.exit_code == 78
    assert result.error_summary is not None
    assert result.error_summary.startswith("ingest: ConfigurationError")
    assert result.report is not None
    shown = figures(Path(result.report))
    assert not shown["hasMarts"]
    assert shown["run"]["error"] == result.error_summary


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip dbt, which takes seconds."""
    monkeypatch.setattr(transform, "build", lambda *_, **__: None)


@pytest.mark.usefixtures("unbuilt")
def test_a_report_that_cannot_be_written_does_not_fail_the_run(settings: Settings, rows: Rows, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    result = runner.run(replace(settings, report_dir=str(tmp_path / "a file")))
    assert result.exit_code == 0
    assert result.report is None
    assert rows("select status, error_summary is not null from ops.pipeline_steps where step = 'report'") == [
        ("failure", True)
    ]
    assert rows("select status, error_summary from ops.pipeline_runs") == [("success", None)]


@pytest.mark.usefixtures("unbuilt")
def test_a_run_keeps_its_own_error_if_the_report_fails_too(settings: Settings, tmp_path: Path) -> None:
    Path(settings.landing_zone, "sleep.csv").write_text("Id\n1\n")
    (tmp_path / "a file").write_text("")
    result = runner.run(replace(settings, report_dir=str(tmp_path / "a file")))
    assert result.exit_code == 65
    assert str(result.error_summary).startswith("ingest: FilesRefusedError")


@pytest.mark.usefixtures("unbuilt")
def test_a_bug_in_the_report_does_not_fail_the_run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(report, "publish", fail)
    assert runner.run(settings).exit_code == 0


@pytest.mark.usefixtures("unbuilt")
def test_no_report_is_written_if_none_are_kept(settings: Settings) -> None:
    result = runner.run(replace(settings, reports_kept=0))
    assert result.steps[-1].skipped == "PIPELINE_REPORTS_KEPT is 0"
    assert result.report is None
    assert reports(settings) == []


def test_erasing_a_participant_removes_earlier_reports(settings: Settings) -> None:
    settings = replace(settings, erasure_key="a long secret")
    put(settings, "daily_activity.csv", *some_days(USERS[0]), *some_days(USERS[1]))
    runner.run(settings)
    put(settings, "daily_activity_2016-04-29.csv", *some_days(USERS[0], range(29, 30)))
    runner.run(settings)
    assert len(reports(settings)) == 3
    result = runner.run(settings, "erase", RunOptions(user_id=str(USERS[1])))
    assert result.exit_code == 0, result.error_summary
    assert reports(settings) == ["latest.html", Path(str(result.report)).name]
    assert len(figures(Path(str(result.report)))["participants"]["name"]) == 1


def test_a_report_needs_a_run(empty_database: object, settings: Settings, engine: db.Engine, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="has no run yet"):
        report.write_latest(engine, settings, tmp_path / "report.html")


def test_the_report_of_a_failed_run_says_what_failed(study: Study) -> None:
    shown = figures(study.failed)
    assert shown["run"]["status"] == "failure"
    assert shown["run"]["error"].startswith("ingest: FilesRefusedError: ")
    assert shown["run"]["hint"]
    assert shown["hasMarts"]
    assert [file["status"] for file in shown["files"]["latest"][:2]] == ["refused", "loaded"]
    ((error,),) = study.rows("select error_summary from ops.pipeline_runs where exit_code = 65")
    assert shown["run"]["error"] == error


@pytest.mark.usefixtures("unbuilt")
def test_the_same_failure_is_not_reported_twice(settings: Settings) -> None:
    Path(settings.landing_zone, "sleep.csv").write_text("Id,Nothing\n1,2\n")
    first = runner.run(settings)
    assert not first.steps[-1].skipped
    assert runner.run(settings).report == first.report
    Path(settings.landing_zone, "sleep.csv").unlink()
    assert runner.run(settings).report != first.report, "the last report shows a failed run"


@pytest.mark.usefixtures("unbuilt")
def test_only_the_latest_reports_are_kept(settings: Settings) -> None:
    settings = replace(settings, reports_kept=2)
    Path(settings.reports).mkdir()
    Path(settings.reports, "mine.html").write_text("not ours")
    names = []
    for day in range(1, 5):
        put(settings, f"daily_activity_2016-04-0{day}.csv", *some_days(USERS[0], range(day, day + 1)))
        names.append(Path(str(runner.run(settings).report)).name)
    assert set(reports(settings)) == {"latest.html", "mine.html", *names[-2:]}
    assert Path(settings.reports, "latest.html").read_bytes() == Path(settings.reports, names[-1]).read_bytes()


def test_a_report_has_pseudonyms_that_lead_back_to_user_ids(study: Study, tmp_path: Path) -> None:
    users = {user_id for (user_id,) in study.rows("select user_id from marts.dim_participant")}
    for path in (study.report, study.failed):
        shown = figures(path)
        assert not re.search("|".join(map(str, users)), str(shown)), "neither as a name nor in a file name"
        assert "sleep_***.csv" in str(shown["files"])
    names = shown["participants"]["name"]
    assert names == sorted(names), "the order of the user ids would reveal them"
    engine = db.create_engine(study.settings)
    assert {user for name in names for user in report.who(engine, name)} == users
    assert report.who(engine, names[0].lower().replace("-", "")) == report.who(engine, names[0])

    path = tmp_path / "report.html"
    report.write_latest(engine, study.settings, path)
    assert figures(path)["participants"]["name"] == names, "the same in every report"
    report.write_latest(engine, replace(study.settings, report_user_ids=True), path)
    assert set(figures(path)["participants"]["name"]) == {str(user) for user in users}


def test_a_text_that_is_not_a_pseudonym_is_an_error(study: Study) -> None:
    for text in ("", "K7QM", "no pseudonym", "0000-0000"):
        with pytest.raises(UsageError, match="pseudonym"):
            report.who(db.create_engine(study.settings), text)
