"""Keys, comments and queries of the marts, incremental special cases, and that no model mixes participants."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.config import ROOT, Database
from tests.integration.study import DAYS, Study
from tests.integration.warehouse import KEYS, Warehouse, assert_marts_are_right, assert_same, opened

START = date(2025, 11, 25)
USER_MARTS = [mart for mart in KEYS if not mart.startswith("rpt_") and mart != "fct_data_quality"]
READER = "marts_test_reader"


@pytest.fixture(scope="module")
def studied(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The marts of a study; tests do not change them."""
    yield from _warehouse(server, template, tmp_path_factory.mktemp("dbt"), _load)


@pytest.fixture(scope="module")
def scratch(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Marts that start without files; each test loads what it needs."""
    yield from _warehouse(server, template, tmp_path_factory.mktemp("dbt"), lambda _: None)


def _warehouse(server: Database, template: Database, workspace: Path, load: Any) -> Iterator[Warehouse]:
    with opened(server, template, workspace) as warehouse:
        load(warehouse)
        warehouse.build()
        yield warehouse


def _load(warehouse: Warehouse, people: list[str] | None = None) -> None:
    study = Study(7, people=8, start=START)
    for name, frame in (("daily_activity", study.activity(0, DAYS)), ("sleep", study.sleep(0, DAYS))):
        warehouse.put(name, f"{name}.csv", frame if people is None else frame[frame["user_id"].isin(people)])


def retract_all(warehouse: Warehouse) -> None:
    for source, name in warehouse.execute(
        "select source, source_filename from ops.raw_ingest_manifest where status = 'loaded'"
    ):
        warehouse.retract(source, name)


def days(steps: dict[str, list[tuple[date, int]]]) -> pd.DataFrame:
    rows = [(user, str(day), count) for user, counts in steps.items() for day, count in counts]
    return pd.DataFrame(rows, columns=["user_id", "activity_date", "total_steps"])


def test_without_files_the_marts_exist_and_are_empty(scratch: Warehouse) -> None:
    retract_all(scratch)
    scratch.build()
    for mart in USER_MARTS:
        assert scratch.mart(mart).empty
    assert_marts_are_right(scratch)


def test_the_unit_tests_of_dbt_pass(scratch: Warehouse) -> None:
    result = scratch.dbt("test", "--select", "test_type:unit")
    assert len(result.results) > 20


def test_every_table_has_a_key_and_every_column_a_comment(studied: Warehouse) -> None:
    tables = studied.frame(
        "select n.nspname || '.' || c.relname as relation, c.relkind, obj_description(c.oid) as comment, "
        "exists (select from pg_constraint where conrelid = c.oid and contype = 'p') as has_key, "
        "array(select a.attname::text from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 "
        "and col_description(c.oid, a.attnum) is null) as uncommented "
        "from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
        "where n.nspname in ('staging', 'marts') and c.relkind in ('r', 'v')"
    )
    assert set(KEYS) <= {relation.removeprefix("marts.") for relation in tables["relation"]}
    for table in tables.itertuples():
        assert table.has_key or table.relkind == "v", table.relation
        assert table.comment, table.relation
        assert table.uncommented == [], table.relation


def test_user_ids_are_compared_byte_by_byte_in_every_relation(studied: Warehouse) -> None:
    columns = studied.frame(
        "select a.attrelid::regclass::text as relation, format_type(a.atttypid, null) as type, l.collname as collation "
        "from pg_attribute as a join pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'v') "
        "left join pg_collation as l on l.oid = a.attcollation "
        "where a.attname = 'user_id' and c.relnamespace::regnamespace::text in ('staging', 'intermediate', 'marts')"
    )
    assert len(columns) > 12
    # the collation of the database sorts more slowly, and a join of two collations is an error
    assert columns[(columns["type"] != "text") | (columns["collation"] != "C")].empty


def test_freshness_is_taken_from_the_manifest(studied: Warehouse) -> None:
    results = studied.dbt("source", "freshness").results
    ages = {result.node.name: result for result in results if result.node.resource_type == "source"}
    assert set(ages) == {"daily_activity", "sleep"}
    for source, result in ages.items():
        assert str(result.status) == "pass"
        ((loaded,),) = studied.execute(
            "select max(ingested_at) from ops.raw_ingest_manifest where source = %s", (source,)
        )
        assert result.max_loaded_at == loaded


@pytest.mark.parametrize("mart", ["fct_user_day_baseline", "fct_user_day_deviation", "fct_user_status"])
def test_a_view_has_one_row_per_key(studied: Warehouse, mart: str) -> None:
    frame = studied.mart(mart)
    assert not frame.duplicated(KEYS[mart]).any()
    assert not frame[KEYS[mart]].isna().any().any()


def test_the_reader_can_run_the_queries_of_the_documentation(
    studied: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    studied.execute(f"drop role if exists {READER}")
    studied.execute(f"create role {READER}")
    monkeypatch.setenv("PIPELINE_READER_ROLE", READER)
    studied.dbt("run", "--select", "int_as_of")
    queries = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "marts.md").read_text("utf-8"), re.DOTALL)
    assert len(queries) >= 5
    try:
        studied.execute(f"set role {READER}")
        for query in queries:
            assert not studied.frame(query).empty, query
    finally:
        studied.execute("reset role")
        studied.execute(f"drop owned by {READER}; drop role {READER}")


def test_the_marts_of_a_user_do_not_depend_on_other_users(studied: Warehouse, scratch: Warehouse) -> None:
    alone = studied.mart("fct_user_day")["user_id"].unique()[3]
    as_of = studied.execute("select as_of_date from intermediate.int_as_of")[0][0]
    retract_all(scratch)
    _load(scratch, [alone])
    scratch.run("--vars", f"{{as_of: '{as_of}'}}")
    for mart in USER_MARTS:
        among_others = studied.mart(mart)
        assert_same(scratch.mart(mart), among_others[among_others["user_id"] == alone], mart)


def test_no_model_joins_groups_or_windows_across_users(scratch: Warehouse) -> None:
    results = scratch.run().results
    models = {r.node.relation_name: r.node for r in results if r.node.resource_type == "model"}
    by_user = {name for name, node in models.items() if node.config.meta.get("distribution") == "user_id"}
    others = {'"daily_activity"', '"sleep"', "changed_user"}
    checked = 0
    for name in by_user:
        sql = models[name].compiled_code
        for problem in across_users(sql, {*(relation.split(".")[-1] for relation in by_user), *others}):
            pytest.fail(f"{name}: {problem}")
        checked += 1
    assert checked >= 12
    for name, node in models.items():
        # what identifiers mean, and where people are, is looked up for rows that are on any node
        if (
            not node.name.startswith(("rpt_", "int_participant"))
            and "user_id" in node.columns
            and "identifier" not in node.name
        ):
            assert name in by_user


def test_the_check_for_mixed_users_finds_each_kind() -> None:
    user_tables = {'"days"'}
    assert list(across_users('select 1 from a join "m"."days" as d on a.day = d.day', user_tables))
    assert list(across_users("select rank() over (order by steps) from a", user_tables))
    assert list(across_users("select rank() over (partition by day) from a", user_tables))
    assert list(across_users('select day from "m"."days" group by day', user_tables))
    fine = (
        'with d as (select * from "m"."days") select sum(x) over (partition by d.user_id) '
        'from d left join "m"."days" as e on d.user_id = e.user_id and d.day = e.day '
        'cross join "m"."as_of" group by user_id'
    )
    assert not list(across_users(fine, user_tables))


def across_users(sql: str, user_tables: set[str]) -> Iterator[str]:
    """Yield the joins, groups and windows that mix rows of different users."""
    sql = re.sub(r"--[^\n]*|/\*.*?\*/", "", sql, flags=re.DOTALL)
    spread = set(user_tables)
    for cte in re.finditer(r"(\w+) as \(", sql):
        if reads(inside(sql, cte.end()), spread):
            spread.add(cte[1])
    yield from windows_across(sql)
    yield from groups_across(sql, spread)
    yield from joins_across(sql, spread)


def reads(sql: str, tables: set[str]) -> bool:
    return any(re.search(rf"(?<![\w\"]){re.escape(table)}(?![\w\"])", sql) for table in tables)


def windows_across(sql: str) -> Iterator[str]:
    for window in re.finditer(r"\b(?:over|as) (\((?=\s*(?:partition by|order by|rows|\)))[^()]*\))", sql):
        if not re.match(r"\(\s*partition by (\w+\.)?user_id\b", window[1]):
            yield f"window {window[1]}"


def groups_across(sql: str, spread: set[str]) -> Iterator[str]:
    for group in re.finditer(r"\bgroup by ([^\n)]*)", sql):
        before = sql[: group.start()]
        if "user_id" not in group[1] and reads(before[before.rfind("select") :], spread):
            yield f"group by {group[1]}"


def joins_across(sql: str, spread: set[str]) -> Iterator[str]:
    for join in re.finditer(r"\bjoin\s+(?!lateral\b)", sql):
        rest = sql[join.end() :]
        if rest.startswith("("):
            target = inside(rest, 1)
            rest = rest[len(target) + 2 :]
        else:
            target = re.split(r"\s", rest, maxsplit=1)[0]
        condition = re.split(r"\b(?:join|where|group by|order by|window|union|limit)\b|\n\)", rest)[0]
        if reads(target, spread) and not re.search(r"(user_id|identifier)\)? = \w+\.(user_id|identifier)", condition):
            yield f"join {target}"


def inside(sql: str, begin: int) -> str:
    """Return the text from `begin` to the closing parenthesis."""
    depth = 1
    for position in range(begin, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[position], 0)
        if depth == 0:
            return sql[begin:position]
    return sql[begin:]


def test_the_order_of_loading_does_not_matter(scratch: Warehouse) -> None:
    first = days({"1": [(date(2026, 1, day), 1000 * day) for day in range(1, 13)]})
    second = days({"1": [(date(2026, 1, day), 1100 * day) for day in range(12, 25)]})
    tied = days({"1": [(date(2026, 1, day), 1200 * day) for day in range(20, 25)]})
    files = [("a.csv", second), ("b.csv", first), ("c.csv", tied)]
    answers = []
    for order in (files, files[::-1]):
        retract_all(scratch)
        for name, frame in order:
            scratch.put("daily_activity", name, frame)
        scratch.run()
        assert_marts_are_right(scratch)
        answers.append({mart: scratch.mart(mart) for mart in USER_MARTS})
    for mart in USER_MARTS:
        assert_same(answers[1][mart], answers[0][mart], mart)
    steps = dict(scratch.execute("select activity_date, steps from marts.fct_user_day"))
    assert steps[date(2026, 1, 12)] == 13200
    assert steps[date(2026, 1, 20)] == 24000


def test_a_file_before_a_gap_moves_the_start_of_the_calendar(scratch: Warehouse) -> None:
    retract_all(scratch)
    scratch.put("daily_activity", "b.csv", days({"1": [(date(2026, 2, day), 5000) for day in range(1, 20)]}))
    scratch.run()
    scratch.put("daily_activity", "a.csv", days({"1": [(date(2026, 1, day), 5000) for day in range(1, 4)]}))
    scratch.run()
    assert_marts_are_right(scratch)
    assert scratch.execute("select count(*) from marts.fct_user_day") == [(50,)]
    scratch.retract("daily_activity", "a.csv")
    scratch.run()
    assert_marts_are_right(scratch)


def test_a_retracted_file_leaves_no_trace_and_no_change_writes_no_row(scratch: Warehouse) -> None:
    retract_all(scratch)
    _load(scratch)
    scratch.run()
    before = {mart: scratch.mart(mart) for mart in USER_MARTS}
    study = Study(8, people=5, start=START)
    scratch.put("daily_activity", "daily_activity_wrong.csv", study.activity(20, DAYS + 20))
    scratch.run()
    assert len(scratch.mart("fct_user_status")) != len(before["fct_user_status"]) or not scratch.mart(
        "fct_user_day"
    ).equals(before["fct_user_day"])
    scratch.retract("daily_activity", "daily_activity_wrong.csv")
    scratch.run()
    for mart in USER_MARTS:
        assert_same(scratch.mart(mart), before[mart], mart)
    for result in scratch.run().results:
        if result.node.resource_type == "model" and result.node.config.incremental_strategy == "replace_changed":
            assert result.adapter_response["rows_affected"] == 0, result.node.name


def test_rows_replayed_into_a_known_file_reach_the_marts(scratch: Warehouse) -> None:
    retract_all(scratch)
    _load(scratch)
    scratch.run()
    scratch.execute(
        "insert into raw.daily_activity (user_id, activity_date, total_steps, _file_id) "
        "select 'P 77', '2026-01-05', 4000, file_id from ops.raw_ingest_manifest "
        "where status = 'loaded' and source = 'daily_activity'"
    )
    scratch.execute(
        "update ops.raw_ingest_manifest set row_count = row_count + 1, rows_read = rows_read + 1 "
        "where status = 'loaded' and source = 'daily_activity'"
    )
    scratch.run()
    assert_marts_are_right(scratch)
    assert scratch.execute("select steps from marts.fct_user_day where user_id = 'P 77'") == [(4000,)]


def test_the_next_run_completes_a_run_that_stopped_half_way(scratch: Warehouse) -> None:
    retract_all(scratch)
    _load(scratch)
    scratch.run()
    study = Study(9, people=8, start=START)
    scratch.put("daily_activity", "daily_activity_late.csv", study.activity(30, 60))
    scratch.dbt("run", "--select", "+fct_user_day")
    scratch.put("sleep", "sleep_late.csv", study.sleep(10, 20))
    scratch.run()
    assert_marts_are_right(scratch)


def test_changes_are_reconciled_until_the_tests_have_passed(scratch: Warehouse) -> None:
    retract_all(scratch)
    _load(scratch)
    scratch.build()
    lost = START + timedelta(DAYS - 5)
    study = Study(7, people=8, start=START)
    scratch.put("daily_activity", "daily_activity_late.csv", study.activity(DAYS - 20, DAYS))
    scratch.run()
    scratch.execute("delete from marts.fct_user_day where activity_date = %s", (lost,))
    for _ in range(2):
        with pytest.raises(AssertionError, match="days_reconcile"):
            scratch.build()
    scratch.build("--full-refresh")
    assert_marts_are_right(scratch)


def test_other_cut_offs_and_an_earlier_as_of_date_rebuild_what_depends_on_them(scratch: Warehouse) -> None:
    retract_all(scratch)
    _load(scratch)
    scratch.run()
    as_of = START + timedelta(70)
    other = ["--vars", f"{{min_steps: 3000, min_baseline_days: 5, as_of: '{as_of}'}}"]
    scratch.run(*other)
    incremental = {mart: scratch.mart(mart) for mart in USER_MARTS}
    assert incremental["fct_user_day"]["steps"][incremental["fct_user_day"]["is_valid_day"]].min() >= 3000
    assert incremental["fct_user_status"]["as_of_date"].max() == as_of
    scratch.run("--full-refresh", *other)
    for mart, frame in incremental.items():
        assert_same(scratch.mart(mart), frame, mart)
    scratch.run()
    assert_marts_are_right(scratch)


# few values, at the cut-offs of the rules
_steps = st.sampled_from([0, 99, 100, 101, 5000, 5000, 7000, 12000, 45000, 45001, None])
_calendars = st.lists(st.one_of(st.none(), _steps), min_size=1, max_size=70)


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    people=st.lists(st.tuples(st.integers(0, 30), _calendars, st.integers(0, 3)), min_size=1, max_size=12),
    start=st.dates(date(2019, 12, 1), date(2024, 3, 1)),
)
def test_generated_users_match_the_independent_implementation(
    scratch: Warehouse, people: list[tuple[int, list[int | None], int]], start: date
) -> None:
    retract_all(scratch)
    rows = [
        (
            f"P{user}",
            str(datetime.combine(start + timedelta(begin + day), datetime.min.time())),
            steps,
            steps and steps % 97,
        )
        for user, (begin, calendar, absent) in enumerate(people)
        for day, steps in enumerate(calendar)
        # with `absent` 0 there is a record every day, with 3 on every fourth
        if day % (absent + 1) == 0
    ]
    frame = pd.DataFrame(rows, columns=["user_id", "activity_date", "total_steps", "very_active_minutes"])
    frame = frame.astype({"total_steps": "Int64", "very_active_minutes": "Int64"})
    frame["fairly_active_minutes"] = 1
    scratch.put("daily_activity", "generated.csv", frame)
    scratch.run()
    assert_marts_are_right(scratch)


def test_a_view_is_made_again_only_if_it_is_to_be_another(scratch: Warehouse) -> None:
    run = ("--select", "stg_file")
    comments = "select obj_description('staging.stg_file'::regclass), obj_description('marts.fct_user_day'::regclass)"
    identity = "select 'staging.stg_file'::regclass::oid"
    scratch.run()
    documented = scratch.execute(comments)
    assert all(documented[0])
    first = scratch.execute(identity)
    scratch.run(*run)
    assert scratch.execute(identity) == first
    # as if the model had had another text
    scratch.execute("update intermediate.model_state set settings = 'other' where model = 'stg_file'")
    scratch.run(*run)
    second = scratch.execute(identity)
    assert second != first
    scratch.run(*run)
    assert scratch.execute(identity) == second
    assert scratch.execute(comments) == documented
    scratch.execute("drop view staging.stg_file cascade")
    scratch.run()
    assert scratch.execute(comments) == documented


def test_relations_of_renamed_models_are_dropped(scratch: Warehouse) -> None:
    scratch.execute(
        "create table staging.stg_fitbit__sleep (user_id text);"
        "create view intermediate.int_old_view as select user_id from staging.stg_fitbit__sleep;"
        "create table intermediate.notes (note text);"
        "create table marts.rpt_cohort_retention (tenure_week int);"
        "create table marts.rpt_of_others (note text);"
        "insert into intermediate.model_state values ('stg_fitbit__sleep', '', now())"
    )
    scratch.run("--select", "int_as_of")
    exists = "select to_regclass(name) is not null from unnest(%s) as name"
    gone = ["staging.stg_fitbit__sleep", "intermediate.int_old_view", "marts.rpt_cohort_retention"]
    kept = ["intermediate.notes", "marts.rpt_of_others", "staging.stg_sleep"]
    assert scratch.execute(exists, (gone + kept,)) == [(True,)] * 6
    scratch.run()
    assert scratch.execute(exists, (gone + kept,)) == [(False,)] * 3 + [(True,)] * 3
    assert scratch.execute("select 1 from intermediate.model_state where model like 'stg_fitbit%%'") == []
    scratch.execute("drop table intermediate.notes; drop table marts.rpt_of_others")
