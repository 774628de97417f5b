"""The marts on generated days: a full build, a new day for everyone, a corrected file, and nothing new.

Each measurement is a `dbt build` with its tests. For comparison, one plain median of the same days is measured, and
copying the tables that a full build has stored.
"""

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from ingestion.config import Database
from scripts.bench.clients import Measurement, measure
from scripts.bench.inputs import BUILD, Sizes
from scripts.bench.pipeline import Pipeline
from scripts.bench.scenario import Bench, Scenario, Spec, Step
from scripts.bench.servers import Server, execute

PLAIN = """
select user_id, count(*), percentile_cont(0.5) within group (order by steps)
from marts.fct_user_day
group by user_id
"""

# the tables with a row a user and day, and their column of the day
STORED = {
    "staging.stg_daily_activity": "activity_date",
    "marts.fct_user_day": "activity_date",
    "intermediate.int_user_day_baseline": "activity_date",
    "intermediate.int_user_day_level": "activity_date",
    "intermediate.int_user_day_status": "as_of_date",
}

ACTIVITY = """
insert into raw.daily_activity (
    user_id, activity_date, total_steps, total_distance, very_active_minutes, fairly_active_minutes,
    lightly_active_minutes, sedentary_minutes, calories
)
select
    (4000000000 + user_number)::text,
    date '2025-01-01' + day,
    steps,
    steps * 0.0007,
    (random() * 60)::int,
    (random() * 40)::int,
    (random() * 300)::int,
    500 + (random() * 600)::int,
    1500 + steps / 20
from generate_series({first_user}, {last_user}) as user_number
cross join generate_series({first_day}, {last_day}) as day
-- one device in eight is not worn
cross join lateral (
    select case when random() < 0.125 then 0 else (3000 + user_number % 7000 + random() * 6000)::int end as steps
) as measured
"""
SLEEP = """
insert into raw.sleep (user_id, sleep_day, total_sleep_records, total_minutes_asleep, total_time_in_bed)
select (4000000000 + user_number)::text, date '2025-01-01' + day, 1, asleep, asleep + (random() * 60)::int
from generate_series({first_user}, {last_user}) as user_number
cross join generate_series({first_day}, {last_day}) as day
cross join lateral (select 300 + (random() * 240)::int as asleep) as measured
-- every other person sleeps without the device
where user_number % 2 = 0
"""
# as a study of two arms at five sites has it
ROSTER = """
insert into raw.participants (user_id, enrolled_on, arm, site)
select
    (4000000000 + user_number)::text,
    date '2025-01-01',
    case user_number % 2 when 0 then 'control' else 'active' end,
    'Site ' || 1 + user_number % 5
from generate_series({first_user}, {last_user}) as user_number
"""


def put_file(
    cursor: Cursor,
    name: str,
    users: tuple[int, int],
    days: tuple[int, int],
    statements: Mapping[str, str] = MappingProxyType({"daily_activity": ACTIVITY, "sleep": SLEEP}),
) -> None:
    """Load a file of each dataset; replace a file that has the same name."""
    for source, statement in statements.items():
        cursor.execute(
            "update ops.raw_ingest_manifest set status = 'replaced' "
            "where source = %s and source_filename = %s and status = 'loaded' returning file_id",
            (source, name),
        )
        for (file_id,) in cursor.fetchall():
            cursor.execute(f"delete from raw.{source} where _file_id = %s", (file_id,))  # noqa: S608
        cursor.execute(
            "insert into ops.raw_ingest_manifest (source_filename, checksum, status, source, size_bytes) "
            "values (%s, gen_random_uuid(), 'loaded', %s, 0) returning file_id",
            (name, source),
        )
        ((file_id,),) = cursor.fetchall()
        cursor.execute(f"set ingest.file_id = {file_id}")
        first_user, last_user = users
        first_day, last_day = days
        cursor.execute(
            statement.format(first_user=first_user, last_user=last_user, first_day=first_day, last_day=last_day)
        )
        cursor.execute(
            "update ops.raw_ingest_manifest set rows_read = %s, row_count = %s where file_id = %s",
            (cursor.rowcount, cursor.rowcount, file_id),
        )


def marts(bench: Bench, pipeline: Pipeline, prefix: str, with_floor: bool = True) -> Step:
    """Return the step that builds the marts after each of several changes.

    Arguments:
        bench: where.
        pipeline: the version whose models are built.
        prefix: of the names of the rows.
        with_floor: whether to measure what the full build is compared with.

    """
    users, days = bench.sizes.users, bench.sizes.days
    changes = {
        f"{prefix}-new-day": ("export_new_day.csv", (1, users), (days - 1, days)),
        f"{prefix}-day-after": ("export_the_day_after.csv", (1, users), (days, days + 1)),
        f"{prefix}-corrected-day": ("one_day.csv", (1, users), (days // 2, days // 2)),
        f"{prefix}-one-user": ("one_user.csv", (7, 7), (days // 3, days // 3 + 29)),
    }
    full, nothing = f"{prefix}-full", f"{prefix}-nothing"

    def measure_all() -> Mapping[str, Measurement]:
        with bench.migrated(pipeline) as database, _autocommit(database) as cursor:
            _put_study(cursor, bench.sizes)
            measured = {full: _dbt_build(bench.server, database, pipeline)}
            for name, change in changes.items():
                put_file(cursor, *change)
                measured[name] = _dbt_build(bench.server, database, pipeline)
            measured[nothing] = _dbt_build(bench.server, database, pipeline)
            return measured | (_floor(bench.server, database, prefix) if with_floor else {})

    rows = (full, *changes, nothing, *(f"{prefix}-{name}" for name in FLOOR if with_floor))
    return Step(rows, measure_all, repetitions=1)


def _put_study(cursor: Cursor, sizes: Sizes) -> None:
    users, days = sizes.users, sizes.days
    cursor.execute("select setseed(0.5)")
    for first in range(0, days, sizes.days_a_file):
        last = min(first + sizes.days_a_file, days) - 1
        put_file(cursor, f"export_{first:05}.csv", (1, users), (first, last))
    put_file(cursor, "one_day.csv", (1, users), (days // 2, days // 2))
    put_file(cursor, "roster.csv", (1, users), (0, days), {"participants": ROSTER})
    cursor.execute("analyze")


def _dbt_build(server: Server, database: Database, pipeline: Pipeline) -> Measurement:
    """Run dbt as the pipeline does, after a checkpoint and a vacuum, which would run between two days."""
    execute(database, "checkpoint", "vacuum")
    target = BUILD / "marts" / pipeline.tree.name
    project = pipeline.tree / "dbt"
    environment = {**database.environment, "DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(BUILD / "logs")}
    options: list[str | Path] = [
        "--project-dir",
        project,
        "--profiles-dir",
        project,
        "--quiet",
        "--log-level-file",
        "none",
    ]
    command: list[str | Path] = [
        Path(sys.executable).with_name("dbt"),
        "build",
        "--exclude-resource-type",
        "unit_test",
        *options,
    ]
    measured, _ = measure(command, environment, server, pipeline.tree)
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    return replace(measured, note=_slowest(results))


def _slowest(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the two nodes that took longest."""
    slowest = sorted(results, key=lambda result: -float(result["execution_time"]))[:2]
    return ", ".join(f"{each['unique_id'].split('.')[2]} {each['execution_time']:.1f}" for each in slowest)


# what a full build is compared with
FLOOR = {
    "plain-median": ("vacuum analyze marts.fct_user_day", [PLAIN]),
    "copies": ("", [f"create table floor_{number} as table {name}" for number, name in enumerate(STORED)]),
    "keys": (
        "",
        [f"alter table floor_{number} add primary key (user_id, {day})" for number, day in enumerate(STORED.values())],
    ),
    "spine": (
        'create table floor_spine (user_id text collate "C", activity_date date)',
        ["insert into floor_spine select user_id, activity_date from marts.fct_user_day"],
    ),
}


def _floor(server: Server, database: Database, prefix: str) -> dict[str, Measurement]:
    measured = {}
    for name, (before, statements) in FLOOR.items():
        execute(database, *([before] if before else []))
        measured[f"{prefix}-{name}"] = _statements(server, database, statements)
    return measured


def _statements(server: Server, database: Database, statements: Sequence[str]) -> Measurement:
    """Measure statements on a connection of their own: the server counts a process when it ends."""
    others, used = server.processes(), server.cpu_seconds()
    begin = time.perf_counter()
    execute(database, *statements)
    seconds = time.perf_counter() - begin
    server.wait_for_the_end_of_others(others)
    return Measurement(seconds, server_cpu=server.cpu_seconds() - used)


@contextlib.contextmanager
def _autocommit(database: Database) -> Iterator[Cursor]:
    connection = psycopg2.connect(database.dsn)
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        yield cursor


TITLES = {
    "full": "everything: {users:,} participants x {days} days",
    "new-day": "a new day for everyone",
    "day-after": "the day after",
    "corrected-day": "a corrected file: one day half a year back, for everyone",
    "one-user": "a corrected file: one user, 30 days",
    "nothing": "nothing",
}
_FLOOR_TITLES = {
    "plain-median": "one plain `percentile_cont(0.5) ... group by user_id` of all days",
    "copies": "copying the five tables that have a row a participant and day",
    "keys": "their primary keys",
    "spine": "one insert of the participants and days, two columns",
}

SCENARIOS = (
    Scenario(
        "marts",
        "marts",
        tuple(Spec(f"marts-{name}", title, share_of="marts-full") for name, title in (TITLES | _FLOOR_TITLES).items()),
        lambda _sizes: (),
        lambda bench: [marts(bench, Pipeline(), "marts")],
    ),
)
