"""dbt is called where there is something to do, and only there; what it says is kept; it can be interrupted."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion import db, runner
from ingestion.config import ROOT, Settings
from ingestion.health import read_status
from ingestion.results import RunResult, Step
from ingestion.steps import RunOptions
from tests.integration.conftest import Rows

HEADER = (
    "Id,ActivityDate,TotalSteps,TotalDistance,VeryActiveMinutes,FairlyActiveMinutes,"
    "LightlyActiveMinutes,SedentaryMinutes,Calories\n"
)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Set dbt to write into a directory of the test's own."""
    return replace(settings, dbt_target_dir=tmp_path / "target", dbt_log_dir=tmp_path / "logs")


def build_of(result: RunResult) -> Step:
    return next(step for step in result.steps if step.name == "dbt_build")


def drop(settings: Settings, name: str, days: range, steps: int = 8000) -> None:
    rows = "".join(f"1503960366,4/{day}/2016,{steps},5.5,20,10,200,700,2000\n" for day in days)
    Path(settings.landing_zone, name).write_text(HEADER + rows)


def test_dbt_runs_only_where_something_has_changed(settings: Settings, rows: Rows) -> None:
    drop(settings, "daily_activity.csv", range(1, 20))
    first = runner.run(settings)
    assert first.exit_code == 0, first.error_summary
    build = build_of(first)
    assert build.detail["models"] > 10
    assert rows("select count(*) from marts.fct_user_day where has_record") == [(19,)]
    assert rows("select count(distinct dbt_invocation_id) from ops.dbt_node_results") == [(1,)]
    assert rows("select dbt_invocation_id is not null from ops.pipeline_steps where step = 'dbt_build'") == [(True,)]
    retention = next(node for node in first.nodes if node.relation == "marts.rpt_retention")
    assert retention.started_at
    assert build.started_at < retention.started_at
    assert sorted(retention.reads) == [
        "intermediate.int_as_of",
        "intermediate.int_user_extent",
        "marts.dim_participant",
        "marts.fct_user_day",
    ]
    assert retention.columns["at_risk"] == "integer"
    assert "raw.daily_activity" in {relation for node in first.nodes for relation in node.reads}
    assert {(node.tested, node.kind) for node in first.nodes} >= {("marts.fct_user_day_baseline", "unique_grain")}

    assert build_of(runner.run(settings)).skipped

    drop(settings, "daily_activity_2016-04-20.csv", range(20, 25))
    changed = runner.run(settings)
    assert changed.exit_code == 0, changed.error_summary
    assert not build_of(changed).skipped
    assert rows("select count(*) from marts.fct_user_day where has_record") == [(24,)]

    with db.transaction(db.create_engine(settings)) as connection, connection.cursor() as cursor:
        cursor.execute("drop view marts.fct_user_status cascade")
    assert not build_of(runner.run(settings)).skipped
    assert rows("select to_regclass('marts.fct_user_status') is not null") == [(True,)]

    assert build_of(runner.run(settings)).skipped
    with_other_vars = runner.run(replace(settings, dbt_vars="{min_steps: 200}"))
    assert not build_of(with_other_vars).skipped


def test_force_builds_what_has_not_changed(settings: Settings) -> None:
    drop(settings, "daily_activity.csv", range(1, 3))
    assert runner.run(settings).exit_code == 0
    assert not build_of(runner.run(settings, "run", RunOptions(force=True))).skipped


def test_rows_deleted_or_added_by_hand_are_noticed(settings: Settings, rows: Rows, engine: db.Engine) -> None:
    """A build counts the raw rows, and `status` says which files to load again."""

    def miscounted() -> list[tuple[str, str | None]]:
        found = [each for each in read_status(engine, settings).problems if each.code == "miscounted"]
        assert all(each.state == "critical" for each in found)
        return [(each.message, each.hint) for each in found]

    drop(settings, "daily_activity.csv", range(1, 20))
    Path(settings.landing_zone, "it's").mkdir()
    drop(settings, "it's/daily_activity.csv", range(20, 25))
    assert runner.run(settings).exit_code == 0
    assert miscounted() == []
    with db.transaction(engine) as connection, connection.cursor() as cursor:
        cursor.execute("delete from raw.daily_activity where activity_date < '2016-04-05'")
        cursor.execute(
            "insert into raw.daily_activity select * from raw.daily_activity where activity_date = '2016-04-20'"
        )
    assert miscounted() == [], "the rows are counted by a build, and not at each look"
    assert runner.run(settings, "transform", RunOptions(force=True)).exit_code == 0
    ((message, hint),) = miscounted()
    assert "daily_activity.csv (15 of 19 rows), it's/daily_activity.csv (6 of 5 rows)" in message
    assert hint is not None
    assert hint.endswith("reload daily_activity.csv 'it'\"'\"'s/daily_activity.csv'")
    files = ("daily_activity.csv", "it's/daily_activity.csv")
    assert runner.run(settings, "reload", RunOptions(filenames=files[:1])).exit_code == 0
    assert "it's/daily_activity.csv (6 of 5 rows)" in miscounted()[0][0]
    assert runner.run(settings, "retract", RunOptions(filenames=files[1:], reason="by hand")).exit_code == 0
    assert miscounted() == []
    assert rows("select count(*) from raw.daily_activity") == [(19,)]


def test_changed_models_are_built_anew(settings: Settings, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(settings, "daily_activity.csv", range(1, 3))
    assert runner.run(settings).exit_code == 0
    rows("alter table marts.fct_user_day drop column steps cascade; select 1")
    monkeypatch.setattr("ingestion.transform.inputs.fingerprint", lambda: "an older version's")
    assert runner.run(settings).exit_code == 0
    assert rows("select count(steps) from marts.fct_user_day") == [(2,)]


def test_variables_that_are_no_mapping(settings: Settings) -> None:
    result = runner.run(replace(settings, dbt_vars="[1]"), "transform")
    assert result.exit_code == 78
    assert "PIPELINE_DBT_VARS" in (result.error_summary or "")


def test_a_model_that_fails_is_named_and_not_taken_for_built(settings: Settings, rows: Rows) -> None:
    drop(settings, "daily_activity.csv", range(1, 3))
    broken = replace(settings, dbt_vars="{min_wear_minutes: no_such_column}")
    result = runner.run(broken)
    assert result.exit_code == 1
    assert (result.error_summary or "").startswith("dbt_build: PipelineError: dbt ")
    assert "no_such_column" in (result.error_summary or "")
    assert rows("select error_summary from ops.pipeline_runs") == [(result.error_summary,)]
    assert not build_of(runner.run(settings)).skipped


def test_a_cut_off_that_no_model_takes_is_named(settings: Settings) -> None:
    drop(settings, "daily_activity.csv", range(1, 3))
    result = runner.run(replace(settings, dbt_vars="{min_steps: 0}"))
    assert result.exit_code == 1
    assert "min_steps must be" in (result.error_summary or "")


def test_a_signal_ends_a_build_within_seconds(settings: Settings, rows: Rows, engine: db.Engine) -> None:
    drop(settings, "daily_activity.csv", range(1, 3))
    assert runner.run(settings, "ingest").exit_code == 0
    database = settings.database
    assert database is not None
    waiting = (
        "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'dbt%'"
    )
    with db.transaction(engine) as connection, connection.cursor() as cursor:
        cursor.execute("lock table raw.daily_activity in access exclusive mode")
        with subprocess.Popen(
            [sys.executable, "-m", "ingestion", "transform"],
            cwd=ROOT,
            env={**os.environ, **database.environment, "DBT_TARGET_PATH": str(settings.dbt_target_dir)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            deadline = time.monotonic() + 60
            while rows(waiting) != [(True,)]:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            child.send_signal(signal.SIGTERM)
            _, stderr = child.communicate(timeout=15)
            assert child.returncode == 143, stderr
        assert rows(waiting) == [(False,)]
    assert rows("select status, exit_code from ops.pipeline_runs where command = 'transform'") == [("failure", 143)]


def test_each_build_leaves_dbts_documentation(settings: Settings, tmp_path: Path) -> None:
    settings = replace(settings, dbt_docs_dir=tmp_path / "documentation" / "dbt")
    page = tmp_path / "documentation" / "dbt" / "index.html"
    drop(settings, "daily_activity.csv", range(1, 3))
    assert runner.run(settings).exit_code == 0
    text = page.read_text("utf-8")
    # one file: the models, what they are compiled to, and the columns as the database has them
    assert "fct_user_status" in text
    assert '"compiled_code":"' in text.replace('": "', '":"')
    assert "INLINE DATA" not in text
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]

    page.unlink()
    assert build_of(runner.run(settings)).skipped
    assert not page.exists()


def test_documentation_that_cannot_be_written_ends_no_run(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.joinpath("taken").write_text("a file")
    drop(settings, "daily_activity.csv", range(1, 3))
    result = runner.run(replace(settings, dbt_docs_dir=tmp_path / "taken"))
    assert result.exit_code == 0
    assert build_of(result).detail["models"] > 10


def test_an_upgrade_builds_tables_of_numbers_again(settings: Settings, rows: Rows) -> None:
    """The last version had participants as numbers; the models differ, so that dbt builds all tables again."""
    drop(settings, "daily_activity.csv", range(1, 20))
    assert runner.run(settings).exit_code == 0
    ids = (
        "select a.attrelid::regclass::text, format_type(a.atttypid, null) from pg_attribute as a"
        " join pg_class as c on c.oid = a.attrelid and c.relkind = 'r'"
        " where a.attname = 'user_id' and c.relnamespace::regnamespace::text in ('staging', 'intermediate', 'marts')"
    )
    days = "select user_id::text, activity_date, steps, is_valid_day from marts.fct_user_day order by 1, 2"
    before, checks = rows(days), rows("select count(*) from marts.fct_data_quality")
    tables = rows(ids)
    assert len(tables) > 10
    views = rows(
        "select format('%I.%I', schemaname, viewname) from pg_views"
        " where schemaname in ('staging', 'intermediate', 'marts')"
    )
    with db.transaction(db.create_engine(settings)) as connection, connection.cursor() as cursor:
        for (view,) in views:
            cursor.execute(f"drop view if exists {view} cascade")
        for table, _ in tables:
            cursor.execute(f"alter table {table} alter column user_id type bigint using user_id::bigint")
        cursor.execute(
            """update ops.pipeline_steps set detail = detail || '{"models_fingerprint": "of the last version"}'"""
        )
    drop(settings, "daily_activity_2016-04-20.csv", range(20, 22))

    result = runner.run(settings)

    assert result.exit_code == 0, result.error_summary
    assert {type_name for _, type_name in rows(ids)} == {"text"}
    after = rows(days)
    # the last day of the earlier file was partial
    assert after[:18] == before[:18]
    assert len(after) == 21
    assert rows("select count(*) from marts.fct_data_quality") > checks
