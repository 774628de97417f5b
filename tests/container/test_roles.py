"""What each database role may do, and above all what it may not."""

from collections.abc import Iterator

import pytest

from tests.container.conftest import PASSWORD, ROLES, create_roles
from tests.container.engine import Database, Pipeline

pytestmark = pytest.mark.container

DENIED = ("permission denied", "must be owner", "must be superuser")


@pytest.fixture(scope="module")
def filled(image: str, network: str, server: str) -> Iterator[Database]:
    """A database after a run, for all tests here: none of them changes it."""
    maintenance = Database(server, "postgres")
    maintenance.query("create database wearables_roles")
    database = Database(server, "wearables_roles")
    create_roles(database)
    pipeline = Pipeline(
        image,
        network,
        {"PGHOST": server, "PGDATABASE": database.name, "PGUSER": "pipeline", "PGPASSWORD": PASSWORD, **ROLES},
    )
    result = pipeline.run(environment={"PIPELINE_USE_MANIFEST": "1"})
    assert result.returncode == 0, result.output
    yield database
    maintenance.query("drop database wearables_roles with (force)")


def attempt(database: Database, login: str, role: str | None, statement: str) -> str | None:
    """Try a statement and take it back; return why it was refused, or None."""
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
        "create table raw.another (a int)",
        "create table ops.another (a int)",
        "create role another",
    ],
}


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(role, statement) for role, statements in table.items() for statement in statements]


@pytest.mark.parametrize(("role", "statement"), cases(MAY))
def test_may(filled: Database, role: str, statement: str) -> None:
    assert attempt(filled, "pipeline", f"wearables_{role}", statement) is None


@pytest.mark.parametrize(("role", "statement"), cases(MAY_NOT))
def test_may_not(filled: Database, role: str, statement: str) -> None:
    refusal = attempt(filled, "pipeline", f"wearables_{role}", statement)
    assert refusal is not None, "it was allowed"
    assert any(reason in refusal for reason in DENIED), refusal


@pytest.mark.parametrize(
    "statement",
    [
        "select * from raw.sleep",
        "delete from ops.pipeline_runs",
        "insert into ops.schema_migrations select * from ops.schema_migrations",
        "create table raw.another (a int)",
        "create table marts.another (a int)",
        "create role another",
        "create database another",
    ],
)
def test_the_pipelines_login_by_itself_only_reads_ops_and_marts(filled: Database, statement: str) -> None:
    refusal = attempt(filled, "pipeline", None, statement)
    assert refusal is not None
    assert "permission denied" in refusal or "cannot run inside a transaction block" in refusal


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
def test_models_are_not_everybodys_to_read(filled: Database, login: str, role: str | None, schema: str) -> None:
    relations = f"select oid::regclass from pg_class where relnamespace = '{schema}'::regnamespace"
    name = filled.query(f"{relations} and relkind in ('r', 'v') limit 1")
    refusal = attempt(filled, login, role, f"select * from {name}")
    assert refusal is not None, "it was allowed"
    assert "permission denied" in refusal


def test_nobody_is_a_superuser(filled: Database) -> None:
    mighty = (
        "select rolname from pg_roles"
        " where (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls)"
        " and (rolname like 'wearables%' or rolname in ('pipeline', 'reader'))"
    )
    assert filled.query(mighty) == ""


class TestReader:
    def test_sees_every_mart(self, filled: Database) -> None:
        marts = filled.query(
            "select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind in ('r', 'v', 'm')"
        )
        assert marts
        for name in marts.splitlines():
            assert attempt(filled, "reader", None, f'select count(*) from marts."{name}"') is None

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
    def test_and_nothing_else(self, filled: Database, statement: str) -> None:
        refusal = attempt(filled, "reader", None, statement)
        assert refusal is not None, "it was allowed"
        assert "permission denied" in refusal

    def test_changes_nothing(self, filled: Database) -> None:
        mart = filled.query(
            "select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind = 'r' limit 1"
        )
        refusal = attempt(filled, "reader", None, f'delete from marts."{mart}"')
        assert refusal is not None
        assert "permission denied" in refusal

    def test_sees_a_mart_that_is_built_anew(self, filled: Database) -> None:
        made = "begin; set local role wearables_transformer; create table marts.another as select 1; commit"
        assert filled.psql(made, user="pipeline").returncode == 0
        assert attempt(filled, "reader", None, "select * from marts.another") is None
        filled.query("drop table marts.another")


def test_the_script_may_be_run_again(filled: Database) -> None:
    before = filled.query("select relname, relacl, relowner from pg_class order by oid")
    create_roles(filled)
    assert filled.query("select relname, relacl, relowner from pg_class order by oid") == before


def test_a_database_that_had_no_roles_is_taken_over(pipeline: Pipeline, database: Database) -> None:
    """A database used by its administrator until now: the script hands tables and schemas over."""
    fresh = Database(database.server, f"{database.name}_used")
    database.query(f"create database {fresh.name}")
    try:
        by_hand = {"PGDATABASE": fresh.name, "PGUSER": "postgres", "PGPASSWORD": "postgres"}
        nobody = dict.fromkeys(("PIPELINE_OWNER_ROLE", "PIPELINE_LOADER_ROLE", "PIPELINE_TRANSFORMER_ROLE"), "")
        result = pipeline.run(environment={**by_hand, **nobody})
        assert result.returncode == 0, result.output
        create_roles(fresh)
        result = pipeline.run("run", "--force", environment={"PGDATABASE": fresh.name})
        assert result.returncode == 0, result.output
    finally:
        database.query(f"drop database {fresh.name} with (force)")
