"""What each database role may and may not do."""

import pytest

from tests.container.conftest import FirstRun, create_roles
from tests.container.engine import Database, Pipeline

pytestmark = pytest.mark.container

DENIED = ("permission denied", "must be owner", "must be superuser")


@pytest.fixture(scope="module")
def used(first_run: FirstRun) -> Database:
    """A database after a run; tests undo their changes."""
    return first_run.database


def attempt(database: Database, login: str, role: str | None, statement: str) -> str | None:
    """Run a statement and roll it back; return the error, or None."""
    text = f"begin; {f'set local role {role};' if role else ''} {statement}; rollback"
    result = database.psql(text, user=login)
    return None if result.returncode == 0 else result.stderr.strip()


MAY = {
    "owner": [
        "create table raw.another (a int)",
        "alter table raw.sleep add column note text",
        "create schema another",
    ],
    "loader": [
        "insert into ops.pipeline_runs (run_id, started_at, status) values (gen_random_uuid(), now(), 'running')",
        "delete from raw.sleep",
        "truncate raw.sleep",
        "select count(*) from ops.rejected_rows",
        "delete from ops.follow_up_lists",
        "create temporary table scratch (a int)",
    ],
    "transformer": [
        "select count(*) from raw.sleep",
        "select count(*) from ops.raw_ingest_manifest",
        "create table marts.another (a int)",
        "create temporary table scratch (a int)",
    ],
}
MAY_NOT = {
    "owner": ["create role another", "copy (select 1) to program 'true'", "select * from pg_authid"],
    "loader": [
        "create table raw.another (a int)",
        "create table ops.another (a int)",
        "create table public.another (a int)",
        "create schema another",
        "drop table raw.sleep",
        "alter table raw.sleep add column note text",
        "update raw.sleep set user_id = 1",
        "create table marts.another (a int)",
        "copy (select 1) to program 'true'",
    ],
    "transformer": [
        "insert into raw.sleep (user_id, sleep_day, _file_id) values (1, now(), 1)",
        "delete from raw.sleep",
        "truncate raw.daily_activity",
        "drop table raw.sleep",
        "update ops.pipeline_runs set status = 'success'",
        "delete from ops.raw_ingest_manifest",
        "delete from ops.follow_up_entries",
        "select reason from ops.rejected_rows",
        "create table raw.another (a int)",
        "create table ops.another (a int)",
        "create role another",
    ],
}


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(role, statement) for role, statements in table.items() for statement in statements]


@pytest.mark.parametrize(("role", "statement"), cases(MAY))
def test_a_role_may(used: Database, role: str, statement: str) -> None:
    assert attempt(used, "pipeline", f"wearables_{role}", statement) is None


@pytest.mark.parametrize(("role", "statement"), cases(MAY_NOT))
def test_a_role_may_not(used: Database, role: str, statement: str) -> None:
    refusal = attempt(used, "pipeline", f"wearables_{role}", statement)
    assert refusal is not None, "it was allowed"
    assert any(reason in refusal for reason in DENIED), refusal


@pytest.mark.parametrize(
    "statement",
    [
        "select * from raw.sleep",
        "select raw_line from ops.rejected_rows",
        "delete from ops.pipeline_runs",
        "insert into ops.schema_migrations select * from ops.schema_migrations",
        "create table raw.another (a int)",
        "create table marts.another (a int)",
        "create role another",
        "create database another",
    ],
)
def test_without_set_role_the_login_role_only_reads_ops_and_marts(used: Database, statement: str) -> None:
    refusal = attempt(used, "pipeline", None, statement)
    assert refusal is not None
    assert "permission denied" in refusal or "cannot run inside a transaction block" in refusal


def test_without_set_role_the_login_role_can_read_the_reasons_of_rejected_rows(used: Database) -> None:
    assert attempt(used, "pipeline", None, "select file_id, line_number, reason from ops.rejected_rows") is None


@pytest.mark.parametrize(
    ("login", "role", "schema"),
    [
        ("pipeline", "wearables_loader", "staging"),
        ("pipeline", "wearables_loader", "marts"),
        ("pipeline", None, "staging"),
        ("reader", None, "staging"),
        ("reader", None, "intermediate"),
    ],
)
def test_other_roles_cannot_read_upstream_models(used: Database, login: str, role: str | None, schema: str) -> None:
    relations = f"select oid::regclass from pg_class where relnamespace = '{schema}'::regnamespace"
    name = used.query(f"{relations} and relkind in ('r', 'v') limit 1")
    refusal = attempt(used, login, role, f"select * from {name}")
    assert refusal is not None, "it was allowed"
    assert "permission denied" in refusal


def test_no_role_is_a_superuser_or_creates_roles_or_databases(used: Database) -> None:
    privileged = (
        "select rolname from pg_roles"
        " where (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls)"
        " and (rolname like 'wearables%' or rolname in ('pipeline', 'reader'))"
    )
    assert used.query(privileged) == ""


class TestReader:
    def test_reads_every_mart(self, used: Database) -> None:
        marts = used.query(
            "select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind in ('r', 'v', 'm')"
        )
        assert marts
        for name in marts.splitlines():
            assert attempt(used, "reader", None, f'select count(*) from marts."{name}"') is None

    @pytest.mark.parametrize(
        "statement",
        [
            "select * from ops.rejected_rows",
            "select raw_line from ops.rejected_rows",
            "select * from ops.raw_ingest_manifest",
            "select * from raw.daily_activity",
            "create table marts.another (a int)",
            "create temporary table scratch (a int)",
            "set role wearables_owner",
            "set role wearables_reader",
            "set role pipeline",
        ],
    )
    def test_reads_nothing_else(self, used: Database, statement: str) -> None:
        refusal = attempt(used, "reader", None, statement)
        assert refusal is not None, "it was allowed"
        assert "permission denied" in refusal

    def test_changes_nothing(self, used: Database) -> None:
        mart = used.query(
            "select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind = 'r' limit 1"
        )
        refusal = attempt(used, "reader", None, f'delete from marts."{mart}"')
        assert refusal is not None
        assert "permission denied" in refusal

    def test_reads_a_mart_that_is_created_later(self, used: Database) -> None:
        made = "begin; set local role wearables_transformer; create table marts.another as select 1; commit"
        assert used.psql(made, user="pipeline").returncode == 0
        assert attempt(used, "reader", None, "select * from marts.another") is None
        used.query("drop table marts.another")


def test_running_the_script_again_changes_nothing(used: Database) -> None:
    before = used.query("select relname, relacl, relowner from pg_class order by oid")
    create_roles(used)
    assert used.query("select relname, relacl, relowner from pg_class order by oid") == before


def test_the_script_takes_over_a_database_without_roles(again: Pipeline, filled: Database) -> None:
    """The administrator of the database used it before: the script changes the owners of everything in it."""
    filled.query("reassign owned by wearables_owner, wearables_transformer to postgres")
    tables = "select distinct tableowner from pg_tables where schemaname in ('raw', 'ops', 'marts') order by 1"
    assert filled.query(tables) == "postgres"
    create_roles(filled)
    assert filled.query(tables) == "wearables_owner\nwearables_transformer"
    result = again.run("run", "--force")
    assert result.returncode == 0, result.output
