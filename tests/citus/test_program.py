"""The program on a Citus cluster: what it loads, changes and refuses there is what it does on plain PostgreSQL."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from ingestion import db, distribution, migrate, retraction, row_counts, runner
from ingestion.config import Database, Settings
from ingestion.errors import ConfigurationError, DatabaseUnavailableError, UsageError
from ingestion.results import NodeResult
from ingestion.transform import marts
from tests.conftest import execute
from tests.drops import SLEEP_HEADER, Landing, sleep
from tests.integration.test_groups import drawn, everything

KEY = "a key for the tests"


@pytest.fixture
def spread(citus: Database, tmp_path: Path) -> Landing:
    """A landing zone, and the cluster that it is loaded into."""
    root = tmp_path / "spread"
    root.mkdir()
    return Landing(root, db.create_engine(Settings(database=citus)))


@pytest.fixture
def nobody(citus: Database) -> Iterator[str]:
    """A role that may not log in on any node."""
    name = "citus_test_no_login"
    execute(citus, f"create role {name} nologin")
    execute(citus, f"grant usage on schema raw, ops to {name}")
    execute(citus, f"grant select on all tables in schema raw, ops to {name}")
    yield name
    execute(citus, f"drop owned by {name}")
    execute(citus, f"drop role {name}")


def distributed(landing: Landing) -> set[str]:
    """Return the tables whose rows are on several nodes."""
    found = landing.rows("select logicalrelid::text from pg_dist_partition where partmethod = 'h'")
    return {name for (name,) in found}


def change(landing: Landing, direction: distribution.Direction, most_rows: int = 0) -> list[str]:
    return distribution.change_nodes(landing.engine, "raw", direction, most_rows=most_rows)


@pytest.mark.parametrize("seed", range(3))
def test_small_files_load_as_on_plain_postgresql(spread: Landing, landing: Landing, seed: int) -> None:
    found = []
    for zone in (landing, spread):
        for name, content in drawn(seed).items():
            zone.put(name, content)
        found.append((Counter(zone.statuses().values()), everything(zone)))
        zone.check()
    assert found[0] == found[1]


def test_rows_that_a_node_refuses_are_sorted_out(spread: Landing) -> None:
    nights = [f"{user},4/{day}/2016 12:00:00 AM,1,300,346" for user in range(40) for day in range(1, 29)]
    nights[500] = "17,4/3/2016 12:00:00 AM,1,-5,346"
    spread.put("sleep.csv", "\n".join([SLEEP_HEADER, *nights, ""]).encode())
    assert spread.statuses() == {"sleep.csv": "loaded"}
    assert spread.rows("select line_number, column_name, reason from ops.rejected_rows") == [
        (502, "total_minutes_asleep", "out_of_range")
    ]
    spread.check()


def test_a_file_without_rows_and_participants_is_loaded(spread: Landing) -> None:
    spread.put("user_id=53/UDSFile_2026-05-21_2026-08-29.json", b"[]\n")
    assert set(spread.statuses().values()) == {"loaded"}


def test_files_and_participants_are_taken_out(spread: Landing) -> None:
    spread.put("a_sleep.csv", sleep(1, 2, 3))
    spread.put("b_sleep.csv", sleep(2, 4))
    spread.ingest()
    run_id = uuid4()
    with db.transaction(spread.engine) as connection:
        receipt = retraction.erase(connection, "raw", "2", KEY, run_id)
        (retracted,) = retraction.retract(connection, "raw", "b_sleep.csv", "a test", run_id)
        assert row_counts.miscounts(connection, "raw") == []
    assert (receipt.rows["raw.sleep"], retracted.rows) == (2, 1)
    assert spread.users() == [1, 3]
    spread.check()


def test_rows_are_moved_to_the_nodes_and_back_only_on_demand(spread: Landing) -> None:
    tables = distributed(spread)
    assert "raw.sleep" in tables
    assert change(spread, "distribute") == []
    spread.put("sleep.csv", sleep(*range(30)))
    spread.ingest()
    rows = everything(spread)

    with pytest.raises(UsageError, match="the raw tables have 30 rows") as caught:
        change(spread, "undistribute", 29)
    assert "--undistribute --move-rows 30" in (caught.value.hint or "")
    assert set(change(spread, "undistribute", 30)) == tables
    assert distributed(spread) == set()
    assert everything(spread) == rows

    with pytest.raises(UsageError, match="the raw tables have 30 rows"):
        change(spread, "distribute")
    assert set(change(spread, "distribute", 30)) == tables == distributed(spread)
    assert everything(spread) == rows
    # an erasure would not reach rows that stayed behind
    assert spread.rows("select pg_relation_size('raw.sleep')") == [(0,)]


def test_rows_on_other_nodes_are_built_from_scratch(
    spread: Landing, citus: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshed = []

    def invoke(*_: object, full_refresh: bool) -> tuple[str, list[NodeResult]]:
        refreshed.append(full_refresh)
        return str(uuid4()), []

    monkeypatch.setattr(marts, "invoke", invoke)
    settings = Settings(database=citus, report_dir=str(tmp_path / "reports"))
    for move in (None, None, "undistribute", None, "distribute", None):
        if move:
            change(spread, move)
        result = runner.run(settings, "transform")
        assert result.exit_code == 0, result.error_summary
    assert refreshed == [False, False, True, False, True, False]


def test_a_migration_spreads_its_tables_in_its_own_transaction(spread: Landing, tmp_path: Path) -> None:
    directory = tmp_path / "sql"
    shutil.copytree(migrate.SQL_DIRECTORY, directory)
    number = len(migrate.read_migrations()) + 1
    new = directory / f"{number:03}_raw_mood.sql"
    create = 'create table raw.mood (user_id text collate "C" not null, mood int);'
    # a comment at the end, and a constraint that stands alone
    more = (
        "alter table raw.sleep add column mood int;\nalter table raw.sleep add constraint moody check (mood > 0);\n--"
    )
    new.write_text(f"{create}\n{more} end", encoding="utf-8")
    assert migrate.migrate(spread.engine, directory) == [new.name]
    assert "raw.mood" in distributed(spread)
    spread.put("sleep.csv", sleep(1, 2))
    assert spread.statuses() == {"sleep.csv": "loaded"}

    broken = directory / f"{number + 1:03}_raw_broken.sql"
    broken.write_text('create table raw.broken (user_id text collate "C");\nselect 1 / 0;', encoding="utf-8")
    with pytest.raises(Exception, match=r"sql/\d+_raw_broken.sql"):
        migrate.migrate(spread.engine, directory)
    assert spread.rows("select to_regclass('raw.broken')") == [(None,)]


def test_a_node_that_lets_a_role_not_log_in_is_named_as_the_cause(spread: Landing, nobody: str) -> None:
    spread.put("sleep.csv", sleep(1, 2))
    spread.ingest()
    with (
        pytest.raises(DatabaseUnavailableError, match="no connection to a node") as caught,
        db.session(spread.engine, role=nobody) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select count(*) from raw.sleep")
    assert "log in" in (caught.value.hint or "")


def test_only_the_owner_moves_rows(spread: Landing, nobody: str) -> None:
    with pytest.raises(ConfigurationError, match=f"only its owner can move .*, and {nobody} is not the owner"):
        distribution.change_nodes(spread.engine, "raw", "undistribute", most_rows=0, role=nobody)


def test_the_defaults_of_the_raw_tables_are_worked_out_on_the_coordinator(spread: Landing) -> None:
    """The nodes do not know the file that is being loaded."""
    spread.put("sleep.csv", sleep(*range(100)) + b'1,"4/13/2016 12:00:00 AM",1,"",346\n')
    spread.ingest()
    (file_id,) = spread.rows("select file_id from ops.raw_ingest_manifest")
    assert spread.rows("select distinct _file_id from raw.sleep") == [file_id]
