"""Measure the marts on the embedded server: a full build, a new day for everyone, a corrected file, and nothing new.

Each measurement is a `dbt build` with its tests. For comparison, the benchmark also measures one plain median of the
same days, and copying the tables that a full build has stored. If the machine is busy, compare the CPU seconds of the
server and of dbt.

Usage: python -m scripts.bench_marts [--users 10000] [--days 365] [--days-a-file 30] [--explain]
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from ingestion import db, embedded, migrate
from ingestion.config import ROOT, Database, Settings

BUILD = ROOT / "build" / "bench_marts"
PROJECT = ROOT / "dbt"
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
SPINE = "insert into floor_spine select user_id, activity_date from marts.fct_user_day"

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


@dataclass(frozen=True)
class Cost:
    """The cost of one measurement.

    Arguments:
        seconds: wall-clock time.
        server: CPU seconds of all processes of the server.
        client: CPU seconds of dbt, or of another process that the benchmark waits for.

    """

    seconds: float
    server: float
    client: float = 0.0


class Meter:
    """Measure wall-clock time, and the CPU time of the server processes that have ended meanwhile.

    Arguments:
        database: each measurement opens its own connection, as the server counts a process when it ends.
        data_directory: has postmaster.pid with the number of the server's first process.

    """

    def __init__(self, database: Database, data_directory: Path) -> None:
        self._database = database
        self._server = psutil.Process(int((data_directory / "postmaster.pid").read_text().split()[0]))

    def statements(self, *statements: str) -> Cost:
        """Return the cost of the statements."""
        return self.cost(lambda: self._execute(statements))

    def dbt(self, *arguments: str) -> tuple[Cost, list[dict[str, Any]]]:
        """Run dbt; return its cost and its results by node.

        A checkpoint and a vacuum run first, as they would between two days.
        """
        self._execute(("checkpoint", "vacuum"))
        cost = self.cost(lambda: dbt(self._database, *arguments))
        results = json.loads((BUILD / "target" / "run_results.json").read_text(encoding="utf-8"))["results"]
        return cost, results

    def _execute(self, statements: tuple[str, ...]) -> None:
        with contextlib.closing(psycopg2.connect(self._database.dsn)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    def cost(self, work: Callable[[], object]) -> Cost:
        """Return the cost of whatever a function does on the server and in processes that it waits for."""
        clock, server, client = time.perf_counter(), self._used_by_server(), used_by_children()
        work()
        seconds = time.perf_counter() - clock
        # the server takes a moment to count a process that has ended
        time.sleep(0.5)
        return Cost(seconds, self._used_by_server() - server, used_by_children() - client)

    def _used_by_server(self) -> float:
        times = self._server.cpu_times()
        return float(times.children_user + times.children_system)


def used_by_children() -> float:
    """Return the CPU seconds of child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def dbt(database: Database, *arguments: str) -> None:
    """Run dbt."""
    environment = {
        **os.environ,
        "PGHOST": database.parameters.get("host", "localhost"),
        "PGPORT": database.parameters.get("port", "5432"),
        "PGUSER": database.parameters.get("user", "postgres"),
        "PGPASSWORD": database.parameters.get("password", ""),
        "PGDATABASE": database.parameters["dbname"],
        "DBT_TARGET_PATH": str(BUILD / "target"),
        "DBT_LOG_PATH": str(BUILD / "logs"),
    }
    # as the pipeline calls it, without a log file
    options = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--quiet", "--log-level-file", "none"]
    subprocess.run([Path(sys.executable).with_name("dbt"), *arguments, *options], env=environment, check=True)


def report(name: str, cost: Cost, full: Cost, results: list[dict[str, Any]]) -> None:
    """Print a line of the table."""
    slowest = sorted(results, key=lambda result: -float(result["execution_time"]))[:2]
    cpu, of_full = cost.server + cost.client, full.server + full.client
    print(
        f"{name:<42}{cost.seconds:>9.1f}{cost.seconds / full.seconds:>8.2f}{cost.server:>9.1f}{cost.client:>7.1f}"
        f"{cpu / of_full:>8.2f}   "
        + ", ".join(f"{each['unique_id'].split('.')[2]} {each['execution_time']:.1f}" for each in slowest),
        flush=True,
    )


def report_floor(meter: Meter, full: Cost) -> None:
    """Print how the full build compares with a plain median, and with copying its tables."""
    meter.statements("vacuum analyze marts.fct_user_day")
    plain = min((meter.statements(PLAIN) for _ in range(3)), key=lambda cost: cost.seconds)
    tables = [f"create table floor_{number} as table {name}" for number, name in enumerate(STORED)]
    keys = [
        f"alter table floor_{number} add primary key (user_id, {day})" for number, day in enumerate(STORED.values())
    ]
    floors = {
        "one plain median of all": plain,
        f"copying {len(STORED)} of the tables": meter.statements(*tables),
        "and their primary keys": meter.statements(*keys),
        "one insert of the spine, two columns": meter.statements(
            'create table floor_spine (user_id text collate "C", activity_date date)', SPINE
        ),
    }
    for name, cost in floors.items():
        print(
            f"{name:<42}{cost.seconds:>9.2f}{cost.seconds / full.seconds:>8.3f}{cost.server:>9.2f}"
            f"   the full build is {full.seconds / cost.seconds:.0f} times that, {full.server / cost.server:.0f} by CPU"
        )
    meter.statements("drop table floor_spine, " + ", ".join(f"floor_{number}" for number in range(len(STORED))))


def explain(cursor: Cursor, results: list[dict[str, Any]]) -> None:
    """Print the plan of the slowest model."""
    slowest = max(results, key=lambda result: float(result["execution_time"]))
    cursor.execute("set work_mem = '128MB'; set jit = off")
    cursor.execute("explain (costs off) " + slowest["compiled_code"])
    print(f"\nplan of {slowest['unique_id']}, full build:")
    print("\n".join(line for (line,) in cursor.fetchall()))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--days-a-file", type=int, default=30, help="days in a file; 1: as many files as days")
    parser.add_argument("--explain", action="store_true", help="print the plan of the slowest model")
    parser.add_argument("--keep", action="store_true", help="keep the database's folder")
    options = parser.parse_args()
    users, days = options.users, options.days

    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    with embedded.server(BUILD / "postgres") as server:
        database = replace(server, parameters={**server.parameters, "dbname": "postgres"})
        migrate.migrate(db.create_engine(Settings(database=database)))
        meter = Meter(database, BUILD / "postgres")
        connection = psycopg2.connect(database.dsn)
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute("select setseed(0.5)")
            for first in range(0, days, options.days_a_file):
                last = min(first + options.days_a_file, days) - 1
                put_file(cursor, f"export_{first:05}.csv", (1, users), (first, last))
            put_file(cursor, "one_day.csv", (1, users), (days // 2, days // 2))
            put_file(cursor, "roster.csv", (1, users), (0, days), {"participants": ROSTER})
            cursor.execute("analyze")

            build = ("build", "--exclude-resource-type", "unit_test")
            full, full_results = meter.dbt(*build)
            print(f"{users:,} users x {days} days; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
            print(f"{'':<42}{'':>9}{'of full':>8}{'CPU of':>9}{'':>7}{'of full':>8}")
            print(f"{'dbt build after':<42}{'seconds':>9}{'build':>8}{'server':>9}{'dbt':>7}{'build':>8}   slowest")
            report("everything (full build)", full, full, full_results)
            changes = {
                "a new day for everyone": ("export_new_day.csv", (1, users), (days - 1, days)),
                "the day after": ("export_the_day_after.csv", (1, users), (days, days + 1)),
                "a corrected file: one day, everyone": ("one_day.csv", (1, users), (days // 2, days // 2)),
                "a corrected file: one user, 30 days": ("one_user.csv", (7, 7), (days // 3, days // 3 + 29)),
            }
            for name, change in changes.items():
                put_file(cursor, *change)
                cost, results = meter.dbt(*build)
                report(name, cost, full, results)
            cost, results = meter.dbt(*build)
            report("nothing", cost, full, results)
            report_floor(meter, full)
            if options.explain:
                explain(cursor, full_results)
    if not options.keep:
        shutil.rmtree(BUILD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
