"""Which deliveries have clearly fewer participants or rows than those on the same weekday before: rpt_volume."""

import statistics
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ingestion import runner
from ingestion.config import Database, Settings
from tests.integration.conftest import Rows
from tests.integration.warehouse import Warehouse, opened

MONDAY = date(2026, 1, 5)
WEEKS = 26
PEOPLE = [f"P-{number:03}" for number in range(40)]
WEAR_COLUMNS = ["user_id", "wear_date", "minutes_worn"]
# a participant's rows of a day
ROWS = {"daily_activity": 1, "sleep": 1, "wear_time": 1, "hourly_steps": 24}

HEADER = (
    "Id,ActivityDate,TotalSteps,TotalDistance,VeryActiveMinutes,FairlyActiveMinutes,"
    "LightlyActiveMinutes,SedentaryMinutes,Calories\n"
)

Feed = dict[date, list[str]]


class Feeds:
    """The files of a dataset: the participants in each, and how many rows each has of a participant.

    Arguments:
        warehouse: where they are loaded.

    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self.people: dict[str, Feed] = {}
        self.rows: dict[str, dict[date, int]] = {}

    def put(self, dataset: str, name: str, day: date, people: list[str], rows: int | None = None) -> None:
        """Load a file with a day of these people."""
        moments = [str(pd.Timestamp(day) + timedelta(hours=hour)) for hour in range(rows or ROWS[dataset])]
        columns = {
            "daily_activity": ["user_id", "activity_date"],
            "sleep": ["user_id", "sleep_day", "total_sleep_records", "total_minutes_asleep", "total_time_in_bed"],
            "wear_time": WEAR_COLUMNS,
            "hourly_steps": ["user_id", "activity_hour", "step_total"],
        }[dataset]
        values = [
            (person, moment, *[400] * (len(columns) - 2)) if len(columns) > 2 else (person, moment)
            for person in people
            for moment in moments
        ]
        self._warehouse.put(dataset, name, pd.DataFrame(values, columns=columns))
        self.people.setdefault(dataset, {}).setdefault(day, []).extend(people)
        known = self.rows.setdefault(dataset, {})
        known[day] = known.get(day, 0) + len(values)


@pytest.fixture(scope="module")
def warehouse(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with opened(server, template, tmp_path_factory.mktemp("dbt")) as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def feeds(warehouse: Warehouse) -> Feeds:
    """Four feeds of which none is low but the hours, on one day, and the days of those who have left."""
    feeds, chance = Feeds(warehouse), np.random.default_rng(5)
    days = [MONDAY + timedelta(number) for number in range(7 * WEEKS)]
    roster = [(person, leaves(person), "Basel" if number % 2 else "Genf") for number, person in enumerate(PEOPLE)]
    warehouse.put("participants", "roster.csv", pd.DataFrame(roster, columns=["user_id", "ends_on", "site"]))
    # a file a person, once: its last day is chance
    for number in range(600):
        feeds.put("sleep", f"person_{number}.csv", days[chance.integers(len(days))], [f"Q-{number}"])
    # all that was before, then a file a month, with ever fewer people
    for month in range(1, 7):
        feeds.put("wear_time", f"2026-{month}.csv", date(2026, month, 1), PEOPLE[: 7 * (7 - month)])
    too_many = pd.DataFrame([(f"R-{number}", "2026-03-01", 400) for number in range(99)], columns=WEAR_COLUMNS)
    warehouse.put("wear_time", "too_many.csv", too_many)
    for part in (days[:-9], days[-9:]):
        for day in part:
            # everybody is missing now and then, and three of five at weekends; half of the people leave together
            share = 0.95 if day.weekday() < 5 else 0.4
            here = [person for person in PEOPLE if chance.random() < share and day <= leaves(person)]
            feeds.put("daily_activity", f"{day}.csv", day, here)
            # half of the hours of everybody are missing in one file
            staying = [person for person in PEOPLE if leaves(person) > days[-1]]
            feeds.put("hourly_steps", f"{day}.csv", day, staying, rows=12 if day == days[-3] else 24)
        warehouse.run("--select", "+rpt_volume", "--vars", f"{{volume_days: {7 * WEEKS}}}")
        # the second run counts what came or went, and nothing else
        warehouse.retract("wear_time", "too_many.csv")
    return feeds


def leaves(person: str) -> date:
    """Return the last day of a participant: half of them leave in June."""
    return date(2026, 6, 3) if PEOPLE.index(person) % 4 < 2 else date(2026, 12, 31)


def expected(people: dict[date, set[str]], rows: dict[date, int] | None) -> dict[date, tuple[object, ...]]:
    """Return what the mart says of each delivery of a dataset or site.

    Arguments:
        people: who is in each.
        rows: the rows of each; None for a site.

    """
    answer: dict[date, tuple[object, ...]] = {}
    for day, members in people.items():

        def here(other: date, day: date = day) -> int:
            return sum(person not in PEOPLE or leaves(person) >= day for person in people[other])

        before = [day - timedelta(7 * week) for week in range(1, 9) if day - timedelta(7 * week) in people]
        if len(before) < 5:
            answer[day] = (here(day), None, None, len(before), None, None)
            continue
        counts = [here(other) for other in before]
        usual = statistics.median(counts)
        most = max(here(other, other) for other in people if day - timedelta(56) <= other < day)
        chance = (usual * (1 - usual / max(most, usual, 1))) ** 0.5
        few = usual - here(day) > max(3 * max(mad(counts), chance), 0.2 * usual, 1)
        short, usual_rows = False, None
        if rows is not None:
            sizes = [rows[other] * here(other) / len(people[other]) for other in before]
            usual_rows = statistics.median(sizes)
            each = usual_rows / usual
            own_rows = rows[day] * here(day) / len(members)
            short = usual_rows - own_rows > max(3 * max(mad(sizes), chance * each), 0.2 * usual_rows, each)
        words = " and ".join([name for name, holds in (("participants", few), ("rows", short)) if holds])
        answer[day] = (here(day), usual, usual_rows, len(before), few or short, words or None)
    return answer


def mad(values: list[float] | list[int]) -> float:
    return statistics.median([abs(value - statistics.median(values)) for value in values]) / 0.6745


def test_the_mart_is_what_an_independent_implementation_says(warehouse: Warehouse, feeds: Feeds) -> None:
    frame = warehouse.frame("select * from marts.rpt_volume")
    frame = frame.astype(object).where(frame.notna(), None)
    for dataset, feed in feeds.people.items():
        for site in ("all", "Basel", "Genf"):
            members = {
                day: {
                    p
                    for p in people
                    if site == "all" or (p in PEOPLE and (PEOPLE.index(p) % 2 == 1) == (site == "Basel"))
                }
                for day, people in feed.items()
            }
            said = expected(
                {day: each for day, each in members.items() if each}, feeds.rows[dataset] if site == "all" else None
            )
            rows = frame[(frame["dataset"] == dataset) & (frame["site"] == site)]
            assert set(rows["delivery_date"]) == {day for day in said if day >= MONDAY}, "the last 26 weeks"
            for row in rows.to_dict("records"):
                day = row["delivery_date"]
                names = ("users", "usual_users", "usual_rows", "weeks", "is_low", "low_in")
                assert tuple(row[name] for name in names) == pytest.approx(said[day]), (dataset, site, day)


def test_nothing_is_low_but_what_is(warehouse: Warehouse, feeds: Feeds) -> None:
    low = warehouse.execute("select dataset, site, delivery_date, low_in from marts.rpt_volume where is_low")
    assert low == [("hourly_steps", "all", MONDAY + timedelta(7 * WEEKS - 3), "rows")]
    judged = warehouse.execute(
        "select dataset, count(*) from marts.rpt_volume where site = 'all' and is_low is not null group by 1 order by 1"
    )
    assert [dataset for dataset, _ in judged] == ["daily_activity", "hourly_steps", "sleep"]
    assert dict(judged)["daily_activity"] == 7 * (WEEKS - 5)


def test_half_of_a_day_is_low(settings: Settings, rows: Rows, tmp_path: Path) -> None:
    settings = replace(settings, dbt_target_dir=tmp_path / "target", dbt_log_dir=tmp_path / "logs", reports_kept=0)
    folder = Path(settings.landing_zone)
    roster = "".join(f"{person},{'Basel' if number % 4 else 'Genf'}\n" for number, person in enumerate(PEOPLE))
    (folder / "participants.csv").write_text("user_id,site\n" + roster)
    last = MONDAY + timedelta(7 * 9 - 3)
    for number in range((last - MONDAY).days + 1):
        day = MONDAY + timedelta(number)
        here = PEOPLE if day < last else PEOPLE[:20]
        lines = "".join(f"{person},{day:%m/%d/%Y},8000,5.5,20,10,200,700,2000\n" for person in here)
        (folder / f"daily_activity_{day}.csv").write_text(HEADER + lines)

    result = runner.run(settings)

    assert result.exit_code == 0, result.error_summary
    assert rows(
        "select site, delivery_date, users, rows_loaded, usual_users, usual_rows, low_in"
        " from marts.rpt_volume where is_low order by site"
    ) == [
        ("Basel", last, 15, None, 30, None, "participants"),
        ("Genf", last, 5, None, 10, None, "participants"),
        ("all", last, 20, 20, 40, 40, "participants and rows"),
    ]
