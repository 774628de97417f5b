"""Measures the marts on the embedded server: a full build, a new day for everyone, a corrected file, and nothing new.

Each is `dbt build`, tests included, beside one plain median of the same user-days.

Usage: python -m scripts.bench_marts [--users 10000] [--days 365] [--explain]
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from ingestion import db, embedded, migrate
from ingestion.config import ROOT, Database, Settings

BUILD = ROOT / "build" / "bench_marts"
PROJECT = ROOT / "dbt"
DAYS_A_FILE = 30
PLAIN = """
select user_id, count(*), percentile_cont(0.5) within group (order by steps)
from marts.fct_user_day
group by user_id
"""

ACTIVITY = """
insert into raw.daily_activity (
    user_id, activity_date, total_steps, total_distance, very_active_minutes, fairly_active_minutes,
    lightly_active_minutes, sedentary_minutes, calories
)
select
    4000000000 + user_number,
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
-- a device in eight lies in a drawer
cross join lateral (
    select case when random() < 0.125 then 0 else (3000 + user_number % 7000 + random() * 6000)::int end as steps
) as measured
"""
SLEEP = """
insert into raw.sleep (user_id, sleep_day, total_sleep_records, total_minutes_asleep, total_time_in_bed)
select 4000000000 + user_number, date '2025-01-01' + day, 1, asleep, asleep + (random() * 60)::int
from generate_series({first_user}, {last_user}) as user_number
cross join generate_series({first_day}, {last_day}) as day
cross join lateral (select 300 + (random() * 240)::int as asleep) as measured
-- every other person sleeps without the device
where user_number % 2 = 0
"""


def put_file(cursor: Cursor, name: str, users: tuple[int, int], days: tuple[int, int]) -> None:
    """Load a file of each source; one of that name that is there already is replaced."""
    for source, statement in (("daily_activity", ACTIVITY), ("sleep", SLEEP)):
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


def dbt(database: Database, *arguments: str) -> tuple[float, list[dict[str, Any]]]:
    """Run dbt; return the seconds of the process and its results by node."""
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
    options = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--quiet"]
    begin = time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("dbt"), *arguments, *options], env=environment, check=True)
    seconds = time.perf_counter() - begin
    results = json.loads((BUILD / "target" / "run_results.json").read_text(encoding="utf-8"))["results"]
    return seconds, results


def report(name: str, seconds: float, plain: float, results: list[dict[str, Any]], full: float) -> None:
    """Print a line of the table."""
    models = sum(r["execution_time"] for r in results if r["unique_id"].startswith("model."))
    slowest = max(results, key=lambda result: float(result["execution_time"]))
    print(
        f"{name:<42}{seconds:>9.1f}{seconds / plain:>9.1f}{seconds / full:>9.2f}{models:>9.1f}"
        f"   {slowest['unique_id'].split('.')[2]} {slowest['execution_time']:.1f}",
        flush=True,
    )


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
    parser.add_argument("--explain", action="store_true", help="print the plan of the slowest model")
    parser.add_argument("--keep", action="store_true", help="keep the database's folder")
    options = parser.parse_args()
    users, days = options.users, options.days

    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    with embedded.server(BUILD / "postgres") as server:
        database = replace(server, parameters={**server.parameters, "dbname": "postgres"})
        migrate.migrate(db.create_engine(Settings(database=database)))
        connection = psycopg2.connect(database.dsn)
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute("select setseed(0.5)")
            for first in range(0, days, DAYS_A_FILE):
                last = min(first + DAYS_A_FILE, days) - 1
                put_file(cursor, f"export_{first:05}.csv", (1, users), (first, last))
            put_file(cursor, "one_day.csv", (1, users), (days // 2, days // 2))
            cursor.execute("vacuum analyze")
            cursor.execute("checkpoint")

            full, results = dbt(database, "build", "--exclude-resource-type", "unit_test")
            cursor.execute("vacuum analyze marts.fct_user_day")
            timings = []
            for _ in range(3):
                begin = time.perf_counter()
                cursor.execute(PLAIN)
                timings.append(time.perf_counter() - begin)
            plain = min(timings)
            print(f"{users:,} users x {days} days; the plain median of all: {plain:.2f} s")
            print(f"{'dbt build after':<42}{'seconds':>9}{'x plain':>9}{'x full':>9}{'models':>9}   slowest")
            report("everything (full build)", full, plain, results, full)
            full_results = results
            changes = {
                "a new day for everyone": ("export_new_day.csv", (1, users), (days - 1, days)),
                "a corrected file: one day, everyone": ("one_day.csv", (1, users), (days // 2, days // 2)),
                "a corrected file: one user, 30 days": ("one_user.csv", (7, 7), (days // 3, days // 3 + 29)),
            }
            for name, change in changes.items():
                put_file(cursor, *change)
                seconds, results = dbt(database, "build", "--exclude-resource-type", "unit_test")
                report(name, seconds, plain, results, full)
            seconds, results = dbt(database, "build", "--exclude-resource-type", "unit_test")
            report("nothing", seconds, plain, results, full)
            if options.explain:
                explain(cursor, full_results)
    if not options.keep:
        shutil.rmtree(BUILD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
