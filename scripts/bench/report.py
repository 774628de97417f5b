"""The report of a large study: time and memory to write it, its size, and the time to open it in a browser."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg2

from ingestion import runner
from ingestion.config import Database, Settings, exported
from ingestion.report.days import days_per_participant
from scripts.bench.clients import Measurement
from scripts.bench.inputs import BUILD
from scripts.bench.pipeline import Pipeline
from scripts.bench.scenario import Bench, Scenario, Spec, Step, one

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ACTIONS = {
    "report-filter": "document.querySelector('.chip').click()",
    "report-scroll": "document.querySelector('.rows').scrollTop = 1e5",
    "report-participant": "document.querySelector('a.row').click()",
    "report-back": "history.back()",
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


def _steps(bench: Bench) -> Sequence[Step]:
    database = bench.stack.enter_context(bench.migrated(Pipeline()))
    folder = Path(bench.stack.enter_context(tempfile.TemporaryDirectory(dir=BUILD)))
    users, days = bench.sizes.users, bench.sizes.days
    with exported({"DBT_TARGET_PATH": str(BUILD / "target" / "report"), "DBT_LOG_PATH": str(BUILD / "logs")}):
        build_marts(database, users, days)
    path = folder / "report.html"

    def write() -> Measurement:
        measured, _ = Pipeline().call(database, "report", "--output", str(path), server=bench.server)
        shown = days_per_participant(users * days, users) or days
        return replace(measured, megabytes=path.stat().st_size / 1e6, note=f"{shown} days of each participant")

    steps = [one("report", write)]
    if chromium := next((found for name in _CHROMIUM if (found := shutil.which(name))), None):
        steps.append(Step(tuple(OPENING), lambda: _open(path, chromium)))
    else:
        print("report: not opened, because there is no Chromium", file=sys.stderr)
    return steps


def _open(path: Path, chromium: str) -> Mapping[str, Measurement]:
    """Open the report in a browser, and measure until it has drawn what each action changed."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (slow to import, and needed here only)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        ready = page.evaluate("performance.getEntriesByName('ready')[0].startTime")
        timings = {"report-ready": Measurement(ready / 1000)}
        for name, action in ACTIONS.items():
            timings[name] = Measurement(page.evaluate(TIMED.format(action=action)) / 1000)
            page.wait_for_timeout(500)
        browser.close()
    return timings


OPENING = {
    "report-ready": "opened in Chromium",
    "report-filter": "a filter",
    "report-scroll": "scrolling far",
    "report-participant": "a participant",
    "report-back": "back",
}

SCENARIOS = (
    Scenario(
        "report",
        "report",
        (
            Spec("report", "**report** of {users:,} participants x {days} days"),
            *(Spec(name, title) for name, title in OPENING.items()),
        ),
        lambda _sizes: (),
        _steps,
    ),
)
