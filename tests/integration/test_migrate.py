"""sql/ in its order, each file once and whole, by any number of appliers."""

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.extras import NamedTupleCursor

from ingestion import __version__, db, migrate
from ingestion.config import Database, Settings
from ingestion.errors import BusyError, ConfigurationError, MigrationDriftError, StatementError, UsageError
from tests.drops import Invoke
from tests.integration.conftest import Rows

LEDGER = "001_ops_schema_migrations.sql"
UNREACHABLE = db.create_engine(Settings(database=Database({"host": "nowhere.invalid"}, "a test")))

Put = Callable[[str, str], Path]


@pytest.fixture
def engine(empty_database: Database) -> db.Engine:
    return db.create_engine(Settings(database=empty_database, lock_timeout_seconds=0.5))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory of sql files with the ledger as its first."""
    directory = tmp_path / "sql"
    directory.mkdir()
    directory.joinpath(LEDGER).write_bytes((migrate.SQL_DIRECTORY / LEDGER).read_bytes())
    return directory


@pytest.fixture
def put(directory: Path) -> Put:
    def put(name: str, text: str) -> Path:
        path = directory / name
        path.write_bytes(text.encode())
        return path

    return put


@pytest.fixture
def other(empty_database: Database) -> Iterator[db.Connection]:
    """Somebody else's session."""
    connection = psycopg2.connect(empty_database.dsn, cursor_factory=NamedTupleCursor)
    connection.autocommit = True
    yield connection
    connection.close()


def ledger(rows: Rows) -> list[str]:
    if rows("select to_regclass('ops.schema_migrations') is null") == [(True,)]:
        return []
    return [file for (file,) in rows("select file from ops.schema_migrations order by applied_at, file")]


def tables(rows: Rows) -> list[str]:
    return [name for (name,) in rows("select tablename from pg_tables where schemaname = 'public' order by 1")]


def test_files_are_applied_in_their_order_and_recorded(
    engine: db.Engine, directory: Path, put: Put, rows: Rows
) -> None:
    put("003_raw_b.sql", "insert into a values (2);")
    put("002_raw_a.sql", "create table a (n int); insert into a values (1);")
    run_id, heard = uuid4(), []
    applied = migrate.migrate(
        engine, directory, run_id=run_id, on_applied=lambda migration, ms: heard.append((migration.file, ms))
    )
    assert applied == [LEDGER, "002_raw_a.sql", "003_raw_b.sql"] == [file for file, _ in heard]
    assert rows("select n from a order by n") == [(1,), (2,)]
    recorded = rows(
        "select file, checksum, applied_at > now() - interval '1 hour', duration_ms, application_version, run_id::text,"
        " is_baseline from ops.schema_migrations order by file"
    )
    assert recorded == [
        (
            file,
            hashlib.sha256((directory / file).read_bytes()).hexdigest(),
            True,
            ms,
            __version__,
            str(run_id),
            False,
        )
        for file, ms in heard
    ]


def test_a_repetition_applies_nothing(engine: db.Engine, directory: Path, put: Put, rows: Rows) -> None:
    put("002_raw_a.sql", "create table a (n int);")
    migrate.migrate(engine, directory)
    before = rows("select * from ops.schema_migrations order by file")
    assert migrate.migrate(engine, directory) == []
    assert rows("select * from ops.schema_migrations order by file") == before
    put("003_raw_b.sql", "create table b (n int);")
    assert migrate.migrate(engine, directory) == ["003_raw_b.sql"]


def test_the_real_files_are_applied_once(engine: db.Engine) -> None:
    files = [migration.file for migration in migrate.read_migrations()]
    assert migrate.migrate(engine) == files
    assert migrate.migrate(engine) == []


def test_twenty_appliers_at_once_on_an_empty_database(empty_database: Database, rows: Rows) -> None:
    appliers = 20
    barrier = Barrier(appliers)

    def apply(_number: int) -> list[str]:
        engine = db.create_engine(Settings(database=empty_database))
        barrier.wait()
        return migrate.migrate(engine)

    with ThreadPoolExecutor(appliers) as pool:
        outcomes = list(pool.map(apply, range(appliers)))
    files = [migration.file for migration in migrate.read_migrations()]
    assert sorted(file for outcome in outcomes for file in outcome) == files
    assert ledger(rows) == files


def test_an_edited_file_is_refused_with_both_hashes(engine: db.Engine, directory: Path, put: Put, rows: Rows) -> None:
    before, after = "create table a (n int);", "create table a (n bigint);"
    put("002_raw_a.sql", before)
    migrate.migrate(engine, directory)
    put("002_raw_a.sql", after)
    put("003_raw_b.sql", "create table b (n int);")
    with pytest.raises(MigrationDriftError, match=r"002_raw_a.sql was edited") as caught:
        migrate.migrate(engine, directory)
    for text in (before, after):
        assert hashlib.sha256(text.encode()).hexdigest() in str(caught.value)
    assert "Restore the file" in (caught.value.hint or "")
    assert tables(rows) == ["a"]


def test_line_ends_are_no_edit(engine: db.Engine, directory: Path, put: Put) -> None:
    text = "create table a (\n    n int\n);\n"
    put("002_raw_a.sql", text)
    migrate.migrate(engine, directory)
    put("002_raw_a.sql", text.replace("\n", "\r\n"))
    assert migrate.migrate(engine, directory) == []
    put("002_raw_a.sql", "\ufeff" + text)
    assert migrate.migrate(engine, directory) == []
    put("002_raw_a.sql", text + "\n")
    with pytest.raises(MigrationDriftError):
        migrate.migrate(engine, directory)


def test_a_missing_applied_file_is_refused(engine: db.Engine, directory: Path, put: Put) -> None:
    last = put("002_raw_a.sql", "create table a (n int);")
    migrate.migrate(engine, directory)
    last.unlink()
    with pytest.raises(MigrationDriftError, match=r"002_raw_a.sql is applied in the database") as caught:
        migrate.migrate(engine, directory)
    assert "newer" in (caught.value.hint or "")


def test_a_new_file_below_an_applied_one_is_refused(engine: db.Engine, directory: Path, put: Put, rows: Rows) -> None:
    put("002_raw_a.sql", "create table a (n int);")
    put("003_raw_c.sql", "create table c (n int);")
    migrate.migrate(engine, directory)
    with db.session(engine) as connection, connection.cursor() as cursor:
        cursor.execute("delete from ops.schema_migrations where file = '002_raw_a.sql'")
    with pytest.raises(
        MigrationDriftError, match=r"002_raw_a.sql is new, but its number is below that of 003_raw_c.sql"
    ):
        migrate.migrate(engine, directory)
    assert tables(rows) == ["a", "c"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("004_raw_b.sql", "select 1;", "has no file 003, but has 004_raw_b.sql"),
        ("002_raw_b.sql", "select 1;", "the same number: 002_raw_a.sql and 002_raw_b.sql"),
        ("003-raw.sql", "select 1;", "003-raw.sql is not named"),
        ("3_raw_b.sql", "select 1;", "3_raw_b.sql is not named"),
        ("003_Raw_b.sql", "select 1;", "003_Raw_b.sql is not named"),
        ("003_raw_b.sql.orig", "select 1;", "003_raw_b.sql.orig is not named"),
        ("notes.txt", "", "notes.txt is not named"),
        ("003_raw_b.sql", "-- caf\udce9", "cannot be read as UTF-8"),
        ("003_raw_b.sql", "create table b (n int); commit; create table c (n int);", "contains COMMIT"),
        ("003_raw_b.sql", "/* ; */ -- harmless;\n  Commit;", "contains COMMIT"),
        ("003_raw_b.sql", "begin;\ncreate table b (n int);\nend;", "contains BEGIN"),
        ("003_raw_b.sql", "start transaction;", "contains START"),
        ("003_raw_b.sql", "select 1; rollback;", "contains ROLLBACK"),
        ("003_raw_b.sql", "select 1; abort;", "contains ABORT"),
        ("003_raw_b.sql", "select 1; end;", "contains END"),
        ("003_raw_b.sql", "prepare transaction 'x';", "contains PREPARE"),
        ("003_raw_b.sql", "-- no-transaction\nselect 1; select 2;", "has 2 statements"),
        ("003_raw_b.sql", "-- no-transaction\n-- nothing\n", "has 0 statements"),
    ],
)
def test_a_disordered_directory_is_refused_before_anything_runs(
    name: str, text: str, message: str, directory: Path, put: Put
) -> None:
    put("002_raw_a.sql", "create table a (n int);")
    (directory / name).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match=message) as caught:
        migrate.migrate(UNREACHABLE, directory)
    assert caught.value.hint


def test_an_empty_or_missing_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        with pytest.raises(ConfigurationError, match="no migrations in"):
            migrate.migrate(UNREACHABLE, tmp_path / name)


LOOK_LIKE_TRANSACTION_CONTROL = [
    "create function a() returns int language plpgsql as $$ begin return 1; end; $$;",
    "create function b() returns int language sql begin atomic select 1; end;",
    "do $body$ begin perform 1; end $body$;",
    "create table d (committed bool default false); comment on table d is 'commit; begin;';",
    'create table e ("commit" int);',
    "-- commit;\n/* begin; */ create table f (n int); -- rollback",
    "create view g as select case when true then 1 else 2 end as n;",
]


def test_words_that_only_look_like_transaction_control_pass(engine: db.Engine, directory: Path, put: Put) -> None:
    names = [put(f"{number:03d}_raw_f.sql", text).name for number, text in enumerate(LOOK_LIKE_TRANSACTION_CONTROL, 2)]
    assert migrate.migrate(engine, directory)[1:] == names


@pytest.mark.parametrize(
    "text",
    [
        "create table b (n int); do $$ begin commit; end $$;",
        "create table b (n int); do $$ begin execute 'commit'; end $$;",
        "create procedure b() language plpgsql as $$ begin commit; end $$; create table b (n int); call b();",
    ],
)
def test_a_commit_inside_a_block_is_refused_by_the_server(
    text: str, engine: db.Engine, directory: Path, put: Put, rows: Rows
) -> None:
    put("002_raw_b.sql", text)
    with pytest.raises(StatementError, match=r"sql/002_raw_b.sql"):
        migrate.migrate(engine, directory)
    assert tables(rows) == []
    assert ledger(rows) == [LEDGER]


def test_a_commit_that_the_parser_misses_is_caught_by_the_transaction_that_it_ends(
    engine: db.Engine, directory: Path, put: Put, rows: Rows
) -> None:
    """The parser takes a column named begin for the start of a block, and what follows for its inside."""
    put("002_raw_b.sql", "create table b (begin int); commit; create table c (n int);")
    put("003_raw_d.sql", "create table d (n int);")
    with pytest.raises(ConfigurationError, match=r"002_raw_b.sql ended its transaction") as caught:
        migrate.migrate(engine, directory)
    assert "by hand" in (caught.value.hint or "")
    assert ledger(rows) == [LEDGER], "what was not run as a whole is not recorded as applied"
    assert "d" not in tables(rows)


def test_a_failing_file_leaves_nothing_behind_and_those_before_it_stay(
    engine: db.Engine, directory: Path, put: Put, rows: Rows
) -> None:
    put("002_raw_a.sql", "create table a (n int);")
    put("003_raw_b.sql", "create table b (n int); insert into b values (1); select no_such_column from b;")
    put("004_raw_c.sql", "create table c (n int);")
    with pytest.raises(StatementError, match=r"sql/003_raw_b.sql: column .* does not exist") as caught:
        migrate.migrate(engine, directory)
    assert caught.value.sqlstate == "42703"
    assert ledger(rows) == [LEDGER, "002_raw_a.sql"]
    assert tables(rows) == ["a"]
    put("003_raw_b.sql", "create table b (n int);")
    assert migrate.migrate(engine, directory) == ["003_raw_b.sql", "004_raw_c.sql"]


def test_a_statement_that_takes_no_transaction_runs_without_one(
    engine: db.Engine, directory: Path, put: Put, rows: Rows
) -> None:
    put("002_raw_a.sql", "create table a (n int);")
    put("003_raw_a_n.sql", "-- no-transaction\r\n-- readers go on\r\ncreate index concurrently a_n on a (n);\r\n")
    put("004_raw_b.sql", "create table b (n int);")
    assert migrate.migrate(engine, directory)[2:] == ["003_raw_a_n.sql", "004_raw_b.sql"]
    assert rows("select indexname from pg_indexes where tablename = 'a'") == [("a_n",)]
    put("005_raw_b_n.sql", "create index concurrently b_n on b (n);")
    with pytest.raises(StatementError, match="transaction block"):
        migrate.migrate(engine, directory)


def test_no_more_than_its_patience_is_spent_on_another_applier(
    engine: db.Engine, directory: Path, other: db.Connection, rows: Rows
) -> None:
    assert db.try_lock(other, "migrate")
    started = time.monotonic()
    with pytest.raises(BusyError, match=r"waited 0.3 s"):
        migrate.migrate(engine, directory, lock_wait_seconds=0.3)
    assert time.monotonic() - started >= 0.3
    assert ledger(rows) == []
    other.close()
    assert migrate.migrate(engine, directory) == [LEDGER]


def test_an_applier_that_finds_nothing_to_do_waits_for_nobody(
    engine: db.Engine, directory: Path, other: db.Connection
) -> None:
    migrate.migrate(engine, directory)
    db.lock(other, "migrate", seconds=30)
    assert migrate.migrate(engine, directory, lock_wait_seconds=0) == []


def test_a_file_waits_for_a_busy_table_no_longer_than_the_lock_timeout(
    engine: db.Engine, directory: Path, put: Put, other: db.Connection, rows: Rows
) -> None:
    put("002_raw_a.sql", "create table a (n int);")
    migrate.migrate(engine, directory)
    put("003_raw_a_m.sql", "create table b (n int); alter table a add m int;")
    other.autocommit = False
    with other.cursor() as cursor:
        cursor.execute("lock table a")
    with pytest.raises(StatementError, match=r"sql/003_raw_a_m.sql: canceling statement due to lock timeout") as caught:
        migrate.migrate(engine, directory)
    assert caught.value.sqlstate == "55P03"
    assert "PIPELINE_LOCK_TIMEOUT_SECONDS" in (caught.value.hint or "")
    other.rollback()
    assert tables(rows) == ["a"]
    assert migrate.migrate(engine, directory) == ["003_raw_a_m.sql"]


def test_a_baseline_records_without_running(engine: db.Engine, directory: Path, put: Put, rows: Rows) -> None:
    put("002_raw_a.sql", "create table a (n int);")
    put("003_raw_b.sql", "create table b (n int);")
    with db.session(engine) as connection, connection.cursor() as cursor:
        cursor.execute("create table a (n int)")
    assert migrate.baseline(engine, 2, directory) == [LEDGER, "002_raw_a.sql"]
    assert rows("select file, is_baseline from ops.schema_migrations order by file") == [
        (LEDGER, False),
        ("002_raw_a.sql", True),
    ]
    assert migrate.baseline(engine, 2, directory) == []
    assert migrate.migrate(engine, directory) == ["003_raw_b.sql"]
    assert tables(rows) == ["a", "b"]


@pytest.mark.parametrize("through", [0, 3, -1])
def test_a_baseline_names_a_file_that_there_is(through: int, engine: db.Engine, directory: Path, put: Put) -> None:
    put("002_raw_a.sql", "create table a (n int);")
    with pytest.raises(UsageError, match="no file"):
        migrate.baseline(engine, through, directory)


def test_the_state_names_what_is_applied_and_what_is_to_come(engine: db.Engine, directory: Path, put: Put) -> None:
    put("002_raw_a.sql", "create table a (n int);")
    with db.session(engine) as connection:
        assert migrate.state(connection, migrate.read_migrations(directory)).applied == ()
        migrate.migrate(engine, directory)
        put("003_raw_b.sql", "create table b (n int);")
        state = migrate.state(connection, migrate.read_migrations(directory))
    assert [row.file for row in state.applied] == [LEDGER, "002_raw_a.sql"]
    assert [migration.file for migration in state.pending] == ["003_raw_b.sql"]


def test_an_upgrade_turns_ids_into_text_and_keeps_rows_and_grants(
    empty_database: Database, directory: Path, other: db.Connection, rows: Rows, engine: db.Engine
) -> None:
    files = [migration.file for migration in migrate.read_migrations()]
    for file in files[: next(index for index, file in enumerate(files) if "raw_text_ids" in file)]:
        directory.joinpath(file).write_bytes((migrate.SQL_DIRECTORY / file).read_bytes())
    migrate.migrate(engine, directory)
    name = empty_database.parameters["dbname"]
    reader, builder = f"reader_{name}", f"builder_{name}"
    weights = "select user_id::text, weighed_at, weight_kg, _extra, _file_id, _loaded_at from raw.weight order by 1"
    with other.cursor() as cursor:
        cursor.execute(
            f"create role {reader}; create role {builder};"
            f" grant select on raw.weight to {reader}; grant select on raw.weight to {builder} with grant option;"
            f" create schema staging authorization {builder}; grant usage on schema raw to {builder};"
            " insert into ops.raw_ingest_manifest (source_filename, checksum, status, source, size_bytes, row_count,"
            " rows_read) values ('weight.csv', 'c0ffee', 'loaded', 'weight', 1, 3, 3);"
            " insert into raw.weight (user_id, weighed_at, weight_kg, _extra, _file_id)"
            """ select n, '2016-04-12', 60 + n % 7, '{"Fat": "22"}', file_id"""
            " from ops.raw_ingest_manifest, unnest(array[7, 1503960366, 9007199254740993]) as n;"
            f" set role {builder}; create view staging.weights as select * from raw.weight; reset role"
        )
    try:
        before = rows(weights)
        assert len(before) == 3
        migrate.migrate(engine)
        assert rows(weights) == before
        assert rows("select user_id from raw.weight order by 1") == [("1503960366",), ("7",), ("9007199254740993",)]
        assert rows(
            "select distinct data_type, collation_name from information_schema.columns"
            " where table_schema = 'raw' and column_name = 'user_id'"
        ) == [("text", "C")]
        assert rows(
            "select grantee::text, privilege_type::text, is_grantable::text from information_schema.role_table_grants"
            f" where table_schema = 'raw' and table_name = 'weight' and grantee in ('{reader}', '{builder}') order by 1"
        ) == [(builder, "SELECT", "YES"), (reader, "SELECT", "NO")]
        assert rows("select to_regclass('staging.weights') is null") == [(True,)]
        assert rows("select row_count from ops.raw_ingest_manifest") == [(3,)]
    finally:
        with other.cursor() as cursor:
            for role in (reader, builder):
                cursor.execute(f"drop owned by {role}; drop role {role}")


def test_an_upgrade_names_the_view_of_somebody_else_that_it_would_drop(
    directory: Path, other: db.Connection, rows: Rows, engine: db.Engine
) -> None:
    files = [migration.file for migration in migrate.read_migrations()]
    for file in files[: next(index for index, file in enumerate(files) if "raw_text_ids" in file)]:
        directory.joinpath(file).write_bytes((migrate.SQL_DIRECTORY / file).read_bytes())
    migrate.migrate(engine, directory)
    with other.cursor() as cursor:
        cursor.execute("create view public.mine as select user_id from raw.weight")
    with pytest.raises(StatementError, match=r"public\.mine"):
        migrate.migrate(engine)
    assert rows("select pg_typeof(user_id)::text from (select null) as n left join raw.weight on true") == [("bigint",)]
    assert rows("select to_regclass('public.mine') is not null") == [(True,)]


@pytest.mark.parametrize("option", ["--distribute", "--undistribute"])
def test_one_server_has_no_nodes_to_put_rows_on(
    invoke: Invoke, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert invoke("migrate", option, "--move-rows", "1000000") == 78
    error = capsys.readouterr().err
    assert "the database is one PostgreSQL server without the extension citus" in error
    assert "docs/scale-out.md" in error


def test_what_a_cluster_needs_is_no_migration() -> None:
    assert {path.name for path in (migrate.SQL_DIRECTORY / "citus").iterdir()} == {
        "distribute.sql",
        "undistribute.sql",
    }
    assert all("citus" not in migration.file for migration in migrate.read_migrations())
