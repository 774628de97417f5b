"""Measure the report on the embedded server: time and memory to write it, its size, and the time to open it.

If the machine is busy, compare the CPU seconds. The targets are for 10,000 participants and 365 days.

Usage: python -m scripts.bench_report [--users 10000] [--days 365] [--keep] [--again]
"""

import argparse
import contextlib
import os
import shutil
import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2

from ingestion import db, embedded, migrate, runner
from ingestion.config import ROOT, Database, Settings
from ingestion.report.days import days_per_participant
from scripts.bench_clients import Measurement, measure
from scripts.bench_marts import Meter

BUILD = ROOT / "build" / "bench_report"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# a median of this many is printed
OPENINGS = 3
# of the issue that asked for reports of large studies
TARGET_WRITE_SECONDS, TARGET_MEGABYTES_OF_MEMORY, TARGET_MEGABYTES, TARGET_READY_SECONDS = 20, 500, 15, 3
ACTIONS = {
    "a filter": "document.querySelector('.chip').click()",
    "scrolling far": "document.querySelector('.rows').scrollTop = 1e5",
    "a participant": "document.querySelector('a.row').click()",
    "back": "history.back()",
}
# the time until the browser has drawn what an action changed
TIMED = """new Promise((done) => {{
    const begin = performance.now();
    {action};
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begin)));
}})"""

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
# the night has its own random number: in a lateral join, the planner would use one for all participants
SLEEP = """
insert into raw.sleep (user_id, sleep_day, total_sleep_records, total_minutes_asleep, total_time_in_bed)
select 4000000000 + participant, date '2025-01-01' + day, 1, asleep, asleep + 30
from (
    select participant, day, 300 + (random() * 240)::int as asleep
    from generate_series(1, {users}) as participant
    cross join generate_series(0, {days} - 1) as day
) as night
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


def openings(path: Path) -> Iterator[dict[str, float]]:
    """Open the report in a browser, several times. Yield the seconds that each action takes."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (a development dependency)

    chromium = next(found for name in CHROMIUM if (found := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(OPENINGS):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-ready]")
            timings = {"ready in Chromium": page.evaluate("performance.getEntriesByName('ready')[0].startTime") / 1000}
            for name, action in ACTIONS.items():
                timings[name] = page.evaluate(TIMED.format(action=action)) / 1000
                page.wait_for_timeout(500)
            page.close()
            yield timings
        browser.close()


def show(name: str, value: str, target: str = "") -> None:
    """Print a row of the table."""
    print(f"{name:<34}{value:>12}{target:>12}", flush=True)


def print_table(database: Database, users: int, days: int) -> None:
    """Write and open a report, and print the table."""
    path = BUILD / "report.html"
    written: list[Measurement] = []
    command = [sys.executable, "-m", "ingestion", "report", "--output", str(path)]
    cost = Meter(database, BUILD / "postgres").cost(lambda: written.append(measure(command, database.environment)[0]))
    print(f"{users:,} participants x {days} days; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    show("", "measured", "target")
    show("time to write", f"{cost.seconds:.1f} s", f"{TARGET_WRITE_SECONDS} s")
    show("  CPU of the report", f"{cost.client:.1f} s")
    show("  CPU of the server", f"{cost.server:.1f} s")
    show("peak memory of the report", f"{written[0].peak_megabytes:.0f} MB", f"{TARGET_MEGABYTES_OF_MEMORY} MB")
    show("size of the file", f"{path.stat().st_size / 1e6:.1f} MB", f"{TARGET_MEGABYTES} MB")
    show("latest days of each participant", f"{days_per_participant(users * days, users) or days}")
    timings = list(openings(path))
    for name in timings[0]:
        seconds = statistics.median(each[name] for each in timings)
        show(name, f"{seconds:.2f} s", f"{TARGET_READY_SECONDS} s" if name.startswith("ready") else "")


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
        print_table(database, options.users, options.days)
    if not (options.keep or options.again):
        shutil.rmtree(BUILD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
