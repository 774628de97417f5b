"""`transform --compare` says who would have another status, and changes nothing that is in use."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from ingestion import db, embedded, runner, transform
from ingestion.cli import main
from ingestion.config import ROOT, Database, Settings
from ingestion.errors import BusyError, ConfigurationError, PipelineError
from ingestion.steps import RunOptions
from ingestion.transform.comparison import SCHEMAS
from tests.commands import started
from tests.conftest import clone_database, drop_database, execute

HEADER = (
    "Id,ActivityDate,TotalSteps,VeryActiveMinutes,FairlyActiveMinutes,LightlyActiveMinutes,SedentaryMinutes,Calories\n"
)
FIRST = date(2026, 1, 1)
DAYS = 70
STEADY, SLOW, GONE = "1001", "1002", "1003"
Query = Callable[[str], list[tuple[Any, ...]]]

# every relation of the database and its rows, its owner and its grants; the sequences and functions, too
RELATIONS = """
select c.oid::regclass::text, c.relkind::text
from pg_class as c
where c.relnamespace::regnamespace::text in ('raw', 'ops', 'staging', 'intermediate', 'marts', 'dbt_test_failures')
and c.relkind in ('r', 'v')
"""
CATALOG = """
select c.oid::text, c.relname::text, c.relfilenode::text, c.relacl::text, c.relowner::text,
obj_description(c.oid), pg_get_viewdef(case c.relkind when 'v' then c.oid end)
from pg_class as c
where c.relnamespace::regnamespace::text in ('raw', 'ops', 'staging', 'intermediate', 'marts', 'dbt_test_failures')
union all
select p.oid::text, p.proname::text, p.prosrc, p.proacl::text, p.proowner::text, p.prosqlbody::text, p.xmin::text
from pg_proc as p
where p.pronamespace::regnamespace::text in ('staging', 'intermediate', 'marts')
union all
select n.oid::text, n.nspname::text, n.nspacl::text, n.nspowner::text, null, null, null
from pg_namespace as n
where n.nspname not like 'pg\\_%' and n.nspname not like 'compare\\_%'
order by 1
"""


def write_days(folder: Path, name: str = "daily_activity.csv", days: range = range(DAYS)) -> None:
    """Steady days, days below 500 steps, and days that end."""
    lines = []
    for day in days:
        when = f"{FIRST + timedelta(day):%m/%d/%Y}"
        noise = day * 37 % 100
        lines.append(f"{STEADY},{when},{8000 + 5 * noise},20,10,200,700,2000\n")
        lines.append(f"{SLOW},{when},{300 + noise},0,0,100,800,1500\n")
        if day < 40:
            lines.append(f"{GONE},{when},{6000 + 5 * noise},20,10,200,700,2000\n")
    folder.joinpath(name).write_text(HEADER + "".join(lines))


@pytest.fixture(scope="module")
def built(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A database with marts. The tests compare, and leave it as it is."""
    database = clone_database(server, f"compare_{os.getpid()}", template)
    folder = tmp_path_factory.mktemp("compare")
    landing = folder / "landing"
    landing.mkdir()
    write_days(landing)
    settings = Settings(
        database=database,
        data_dir=str(landing),
        use_manifest=True,
        report_dir=str(folder / "reports"),
        dbt_target_dir=folder / "target",
        dbt_log_dir=folder / "logs",
        on_concurrent_run="decline",
    )
    result = runner.run(settings)
    assert result.exit_code == 0, result.error_summary
    yield settings
    drop_database(server, database)


@pytest.fixture
def query(built: Settings) -> Query:
    return querying(built)


def querying(settings: Settings) -> Query:
    database = settings.database
    assert database is not None

    def query(statement: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(database.dsn)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchall()
        connection.close()
        return found

    return query


@pytest.fixture
def untouched(built: Settings, query: Query) -> Iterator[None]:
    """Check that the database without the schemas of comparisons, and the files of the last build, are as before."""
    before = contents(built, query)
    yield
    after = contents(built, query)
    assert {name for name in before if before[name] != after.get(name)} == set()
    assert set(after) == set(before)


def contents(settings: Settings, query: Query) -> dict[str, object]:
    found: dict[str, object] = {"catalog": query(CATALOG)}
    for name, _ in query(RELATIONS):
        found[name] = query(f"select count(*), md5(string_agg(r::text, ',' order by r::text)) from {name} as r")
    assert "intermediate.model_state" in found
    assert len(found) > 60
    for folder in (settings.dbt_target_dir, Path(settings.reports)):
        assert folder is not None
        found |= {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return found


def schemas(query: Query) -> set[str]:
    return {name for (name,) in query("select nspname from pg_namespace where nspname like 'compare\\_%'")}


def environment(settings: Settings) -> dict[str, str]:
    assert settings.database is not None
    return {
        "DATABASE_URL": settings.database.dsn,
        "DBT_TARGET_PATH": str(settings.dbt_target_dir),
        "DBT_LOG_PATH": str(settings.dbt_log_dir),
        "PIPELINE_REPORT_DIR": settings.reports,
        "PIPELINE_DATA_DIR": settings.landing_zone,
        "PIPELINE_USE_MANIFEST": "1",
        "PIPELINE_ON_CONCURRENT_RUN": "decline",
    }


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_building(query: Query) -> Callable[[], bool]:
    def found() -> bool:
        return query("select to_regclass('compare_intermediate.int_file') is not null") == [(True,)]

    return found


@pytest.mark.usefixtures("untouched")
def test_a_higher_cut_off_moves_those_whom_it_concerns_and_nobody_else(
    built: Settings, query: Query, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment(built).items():
        monkeypatch.setenv(name, value)
    exit_code = main(["transform", "--compare", "--vars", "{min_steps: 500}", "--json", "--with-user-ids"])
    output, errors = capsys.readouterr()
    assert exit_code == 0, errors
    document = json.loads(output)
    assert (document["people"], document["changed"]) == (3, 1)
    assert document["cut_offs"] == [{"name": "min_steps", "now": 100, "compared": 500}]
    assert document["files"] == []
    assert document["notes"] == []
    (change,) = document["changes"]
    assert (change["participant"], change["now"], change["compared"]) == (SLOW, "stable", "never_started")
    assert change["figures"]["valid_days"] == {"now": DAYS - 1, "compared": 0}
    assert change["figures"]["last_valid_date"]["compared"] is None
    assert change["figures"]["threshold"]["now"] == 5
    assert {(each["now"], each["compared"]): each["people"] for each in document["transitions"]} == {
        ("stable", "stable"): 1,
        ("stopped", "stopped"): 1,
        ("stable", "never_started"): 1,
    }
    # as the marts have it, counted another way
    valid = "select count(*), avg(steps)::float from marts.fct_user_day where is_valid_day"
    assert [(document["now"]["valid_days"], document["now"]["mean_steps"])] == query(valid)
    above = f"{valid} and steps >= 500"
    assert [(document["compared"]["valid_days"], document["compared"]["mean_steps"])] == query(above)
    assert schemas(query) == set()


@pytest.mark.usefixtures("untouched")
def test_with_the_same_cut_offs_nobody_changes_and_what_is_kept_is_for_nobody_else(
    built: Settings, query: Query
) -> None:
    with_reader = {"PIPELINE_READER_ROLE": "pg_monitor", **environment(built)}
    with started("transform", "--compare", "--keep", "--json", **with_reader) as process:
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    document = json.loads(output)
    assert (document["changed"], document["changes"], document["since_another_day"]) == (0, [], 0)
    assert document["now"] == document["compared"]
    assert document["cut_offs"] == []
    assert document["failed_tests"] == []
    assert set(document["kept_schemas"]) == schemas(query) == set(SCHEMAS)
    # the same rows, so that no model has read the marts in use
    for name in ("fct_user_status", "fct_user_day", "fct_user_day_deviation", "rpt_retention", "rpt_flow"):
        rows = "select md5(string_agg(r::text, ',' order by r::text)) from {}.{} as r"
        assert query(rows.format("compare_marts", name)) == query(rows.format("marts", name))
    reads = """
        select distinct read.relnamespace::regnamespace::text
        from pg_rewrite as rule
        join pg_class as made on made.oid = rule.ev_class and made.relnamespace::regnamespace::text like 'compare\\_%'
        join pg_depend as d on d.objid = rule.oid and d.classid = 'pg_rewrite'::regclass
        join pg_class as read on d.refobjid = read.oid and d.refclassid = 'pg_class'::regclass
    """
    assert {name for (name,) in query(reads)} <= {*SCHEMAS, "raw", "ops"}
    grants = (
        "select relname from pg_class where relnamespace::regnamespace::text like 'compare\\_%' and relacl is not null"
    )
    assert query(grants) == []
    assert query("select nspname from pg_namespace where nspname like 'compare\\_%' and nspacl is not null") == []

    transform.compare(built, {})
    assert schemas(query) == set(), "the next comparison drops what was kept"


@pytest.mark.usefixtures("untouched")
def test_a_model_that_fails_changes_nothing(built: Settings, query: Query) -> None:
    with pytest.raises(PipelineError, match="no_such_column") as caught:
        transform.compare(built, {"min_wear_minutes": "no_such_column"})
    assert "as before" in (caught.value.hint or "")
    assert schemas(query) == set()


def test_days_that_are_new_or_out_of_reach_are_not_taken_for_the_cut_offs(built: Settings) -> None:
    """An earlier as-of date, and rows that the marts do not have yet."""
    landing = Path(built.landing_zone)
    write_days(landing, "daily_activity_2.csv", range(DAYS, DAYS + 5))
    assert runner.run(built, "ingest").exit_code == 0
    try:
        comparison = transform.compare(built, {"as_of": date(2026, 2, 9)})
    finally:
        reason = RunOptions(filenames=("daily_activity_2.csv",), reason="a test has ended")
        assert runner.run(built, "retract", reason).exit_code == 0
        landing.joinpath("daily_activity_2.csv").unlink()
    differences = comparison.differences
    assert (str(differences.now.as_of_date), str(differences.compared.as_of_date)) == ("2026-03-10", "2026-02-09")
    assert [each.name for each in comparison.basis.cut_offs or []] == ["as_of"]
    assert any("loaded or removed" in note for note in comparison.basis.notes)
    assert [(each.user_id, each.now, each.compared) for each in differences.changes] == [(GONE, "stopped", "stable")]


def test_models_that_differ_are_named(built: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    known = transform.inputs.checksums()
    monkeypatch.setattr(
        "ingestion.transform.inputs.checksums",
        lambda: {**{name: each for name, each in known.items() if "rpt_flow" not in name}, "models/new.sql": "1"},
    )
    with db.session(db.create_engine(built)) as connection:
        basis = transform.differences.basis(connection, "raw", {"raw_schema": "raw"})
    assert {(file.path, file.change) for file in basis.files or []} == {
        ("models/new.sql", "new"),
        ("models/reports/rpt_flow.sql", "removed"),
        ("models/reports/rpt_flow.yml", "removed"),
        ("models/unit_tests/rpt_flow.yml", "removed"),
    }


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_comparison_that_is_killed_changes_nothing(built: Settings, query: Query, number: signal.Signals) -> None:
    before = contents(built, query)
    with started("transform", "--compare", **environment(built)) as process:
        wait_for(is_building(query), process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=15)
    assert process.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL), errors
    assert contents(built, query) == before
    assert bool(schemas(query)) == (number == signal.SIGKILL)
    if number == signal.SIGKILL:
        assert transform.compare(built, {}).differences.changes == []
        assert schemas(query) == set()
        result = runner.run(built, "transform", RunOptions(force=True))
        assert result.exit_code == 0, result.error_summary


def test_a_comparison_gives_way_to_a_run(built: Settings, query: Query) -> None:
    with started("transform", "--compare", **environment(built)) as process:
        wait_for(is_building(query), process)
        result = runner.run(built, "transform", RunOptions(force=True))
        _, errors = process.communicate(timeout=30)
    assert result.exit_code == 0, result.error_summary
    assert process.returncode == 75, errors
    assert "a run has begun" in errors
    assert schemas(query) == set()
    assert query("select count(*) from ops.pipeline_runs where status <> 'success'") == [(0,)]
    # each build records its cut-offs; the checksums of the models are stored once for each version of them
    recorded = "select count(*) filter (where detail ? 'files'), count(*) filter (where detail ? 'cut_offs') > 1"
    assert query(f"{recorded} from ops.pipeline_steps where step = 'dbt_build'") == [(1, True)]


@pytest.mark.usefixtures("untouched")
def test_a_comparison_waits_for_no_run_that_it_is_to_decline(built: Settings, query: Query) -> None:
    engine = db.create_engine(built)
    execute_in(built, "create schema compare_marts")
    run = db.RunLock(engine, uuid4())
    run.take(seconds=0, shared=True, on_wait=lambda: None)
    try:
        with pytest.raises(BusyError, match="a run is in progress"):
            transform.compare(built, {})
    finally:
        run.close()
    execute_in(built, "create schema if not exists compare_marts")
    other = db.RunLock(engine, uuid4(), name="comparison")
    other.take(seconds=0, shared=False, on_wait=lambda: None)
    try:
        with pytest.raises(BusyError, match="comparison"):
            transform.compare(built, {})
        assert schemas(query) == {"compare_marts"}, "they are those of the other comparison"
    finally:
        other.close()
        execute_in(built, "drop schema compare_marts")


def execute_in(settings: Settings, statement: str) -> None:
    assert settings.database is not None
    execute(settings.database, statement)


def test_without_marts_there_is_nothing_to_compare_with(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no marts"):
        transform.compare(settings, {})


def test_an_erased_participant_is_not_in_what_was_kept(settings: Settings, tmp_path: Path) -> None:
    settings = replace(
        settings, dbt_target_dir=tmp_path / "target", dbt_log_dir=tmp_path / "logs", erasure_key="a long random secret"
    )
    write_days(Path(settings.landing_zone), days=range(3))
    assert runner.run(settings, "ingest").exit_code == 0
    execute_in(settings, "create schema compare_marts")
    execute_in(settings, f"create table compare_marts.fct_user_day as select {SLOW} as user_id")
    result = runner.run(settings, "erase", RunOptions(user_id=SLOW))
    assert result.exit_code == 0, result.error_summary
    assert schemas(querying(settings)) == set()


def test_the_roles_of_production_suffice_and_readers_see_nothing_of_it(
    empty_database: Database, tmp_path: Path
) -> None:
    psql = embedded.psql()
    assert psql is not None
    subprocess.run(
        [psql, "--quiet", "-f", str(ROOT / "docker" / "postgres" / "roles.sql")],
        env={**os.environ, **empty_database.environment, "PIPELINE_PASSWORD": "for a test", "READER_PASSWORD": "x"},
        check=True,
    )
    write_days(tmp_path, days=range(30))
    login = {**empty_database.parameters, "user": "pipeline", "password": "for a test"}
    settings = Settings(
        database=replace(empty_database, parameters=login),
        data_dir=str(tmp_path),
        use_manifest=True,
        report_dir=str(tmp_path / "reports"),
        dbt_target_dir=tmp_path / "target",
        dbt_log_dir=tmp_path / "logs",
        owner_role="wearables_owner",
        loader_role="wearables_loader",
        transformer_role="wearables_transformer",
    )
    result = runner.run(settings)
    assert result.exit_code == 0, result.error_summary
    comparison = transform.compare(settings, {"min_steps": 500}, keep=True)
    assert [each.user_id for each in comparison.differences.changes] == [SLOW]
    query = querying(replace(settings, database=empty_database))
    seen = (
        "select role from unnest(array['reader', 'pipeline', 'wearables_loader', 'wearables_monitor']) as role"
        " where has_schema_privilege(role, 'compare_marts', 'usage')"
        " or has_table_privilege(role, 'compare_marts.fct_user_status', 'select')"
    )
    assert query(seen) == []
    assert query("select distinct nspowner::regrole::text from pg_namespace where nspname like 'compare\\_%'") == [
        ("wearables_transformer",)
    ]

    execute(
        empty_database,
        f"revoke create on database {empty_database.parameters['dbname']} from wearables_transformer",
    )
    with pytest.raises(ConfigurationError, match="wearables_transformer may not create schemas"):
        transform.compare(settings, {})
