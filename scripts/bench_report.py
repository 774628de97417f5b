"""Measure the report on the embedded server: time and memory to write it, its size, and the time to open it.

Usage: python -m scripts.bench_report [--users 10000] [--days 365] [--keep] [--again]
"""

import argparse
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psycopg2

from ingestion import db, embedded, migrate, runner
from ingestion.config import ROOT, Database, Settings

BUILD = ROOT / "build" / "bench_report"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


# levels, spreads, trends and wear differ by participant; a device that is not worn has days of 0 steps or no record
ACTIVITY = """
insert into raw.daily_activity (
    user_id, activity_date, total_steps, total_distance, very_active_minutes, fairly_active_minutes,
    lightly_active_minutes, sedentary_minutes, calories
)
select
    4000000000 + participant, date '2025-01-01' + day, steps, steps * 0.0007, 20, 10, 200, 700, 1500 + steps / 20
from generate_series(1, {users}) as participant
cross join generate_series(0, {days} - 1) as day
cross join lateral (
    select
        case
            when random() < (participant % 5) * 0.05 then 0
            else least(
                (3000 + participant % 7000) * (1 - (participant % 3) * day * 0.0005)
                * exp(0.4 * random_normal()), 60000
            )::int
        end as steps
    where day < {days} - 60 * (participant % 10 = 0)::int and (random() > 0.03)
) as measured
"""
SLEEP = """
insert into raw.sleep (user_id, sleep_day, total_sleep_records, total_minutes_asleep, total_time_in_bed)
select 4000000000 + participant, date '2025-01-01' + day, 1, asleep, asleep + 30
from generate_series(2, {users}, 2) as participant
cross join generate_series(0, {days} - 1) as day
cross join lateral (select 300 + 0 * day + (random() * 240)::int as asleep) as measured
"""


def build_marts(database: Database, users: int, days: int) -> None:
    """Generate a study and build its marts as a run does."""
    settings = Settings(database=database, reports_kept=0)
    migrate.migrate(db.create_engine(settings))
    connection = psycopg2.connect(database.dsn)
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("select setseed(0.5)")
        for dataset, statement in (("daily_activity", ACTIVITY), ("sleep", SLEEP)):
            cursor.execute(
                "insert into ops.raw_ingest_manifest (source_filename, checksum, status, source, size_bytes) "
                "values (%s, gen_random_uuid(), 'loaded', %s, 0) returning file_id",
                (f"{dataset}.csv", dataset),
            )
            ((file_id,),) = cursor.fetchall()
            cursor.execute(f"set ingest.file_id = {file_id}")
            cursor.execute(statement.format(users=users, days=days))
            cursor.execute(
                "update ops.raw_ingest_manifest set rows_read = %s, row_count = %s where file_id = %s",
                (cursor.rowcount, cursor.rowcount, file_id),
            )
        cursor.execute("vacuum analyze")
        result = runner.run(settings, "transform")
        if result.error and not result.nodes:
            raise result.error
        cursor.execute("vacuum analyze")


def write(database: Database, path: Path) -> tuple[float, int]:
    """Write the report in a process of its own. Return the seconds and the peak memory in bytes."""
    environment = {**os.environ, **database.environment}
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "ingestion", "report", "--output", str(path)], env=environment, check=True, cwd=ROOT
    )
    return time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def show(path: Path) -> None:
    """Print how fast a browser opens and filters the report."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (a development dependency)

    chromium = next(found for name in CHROMIUM if (found := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        interactive = page.evaluate("performance.getEntriesByName('ready')[0].startTime")
        timings = {"interactive": interactive}
        for name, act in {
            "filter": "document.querySelector('.chip').click()",
            "scroll": "document.querySelector('.rows').scrollTop = 1e5",
            "participant": "document.querySelector('a.row').click()",
            "back": "history.back()",
        }.items():
            timings[name] = page.evaluate(
                f"new Promise((done) => {{ const t = performance.now(); {act};"
                " requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - t))); })"
            )
            page.wait_for_timeout(500)
        print("  ms in Chromium: " + ", ".join(f"{name} {ms:.0f}" for name, ms in timings.items()))
        browser.close()


def main() -> int:
    """Run the measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--keep", action="store_true", help="keep the folder of the database")
    parser.add_argument("--again", action="store_true", help="measure in the folder that was kept")
    options = parser.parse_args()
    if not options.again:
        shutil.rmtree(BUILD, ignore_errors=True)
        BUILD.mkdir(parents=True)
    with embedded.server(BUILD / "postgres") as server:
        database = replace(server, parameters={**server.parameters, "dbname": "postgres"})
        if not options.again:
            build_marts(database, options.users, options.days)
        path = BUILD / "report.html"
        seconds, memory = write(database, path)
        print(
            f"{options.users:,} participants x {options.days} days: {path.stat().st_size / 1e6:.1f} MB, written in "
            f"{seconds:.1f} s with a peak memory of {memory / 1e6:.0f} MB",
            flush=True,
        )
        show(path)
    if not (options.keep or options.again):
        shutil.rmtree(BUILD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
