"""How often the statuses of the real marts are wrong, on simulated people and on days in a random order.

The full bench is `make simulate`; docs/methods.md has its figures. This one is smaller, and its seed is fixed.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ingestion.config import Database
from tests import optional
from tests.simulation import measures
from tests.simulation.exports import daily_activity
from tests.simulation.marts import daily_rows, statuses
from tests.simulation.measures import BY_ACTIVITY, finding, of, onsets_a_month
from tests.simulation.people import Person, drawn
from tests.simulation.report import BEGIN, END, Shuffle, Table, as_markdown, as_text, written

DAYS = 240
SEED = 4
COUNTS = {
    "stable": 45,
    "stable, with hours": 5,
    "wears it 60 % of days": 15,
    "steps drop by 30 %": 45,
    "1 % fewer steps a week": 3,
    "wear days 80 to 40 %": 15,
    "wear hours 15 to 6.5": 5,
    "stops": 8,
    "lapses and returns": 5,
    "new": 3,
    "never started": 3,
    "finished": 4,
    "withdrawn": 3,
}
EXPORT = (
    Path(os.environ.get("FITABASE_2016_04", Path(__file__).parents[3] / "shared" / "data" / "fitabase-2016-04"))
    / "dailyActivity_merged.csv"
)


@pytest.fixture(scope="module")
def persons() -> list[Person]:
    return drawn(COUNTS, DAYS, SEED)


@pytest.fixture(scope="module")
def everything(server: Database, template: Database, persons: list[Person]) -> pd.DataFrame:
    """The statuses of the people, of the stable ones in a random order, and of a real export in one."""
    sources = {"stable": daily_rows([person for person in persons if person.truth == "stable"])}
    if EXPORT.exists():
        sources["export"] = daily_activity(EXPORT)
    orders = {f"{name}/{seed}/": measures.shuffled(rows, seed) for name, rows in sources.items() for seed in (1, 2, 3)}
    return statuses(server, template, persons, orders)


@pytest.fixture(scope="module")
def days(persons: list[Person], everything: pd.DataFrame) -> pd.DataFrame:
    return measures.judged(persons, everything)


@pytest.mark.parametrize("status", BY_ACTIVITY)
@pytest.mark.parametrize("truth", ["stable", "wears it 60 % of days"])
def test_of_stable_people_a_change_is_rarely_said(days: pd.DataFrame, truth: str, status: str) -> None:
    assert onsets_a_month(of(days, truth), status) <= 0.2


@pytest.mark.parametrize("truth", ["stable", "wears it 60 % of days"])
def test_of_steady_wear_less_wear_is_rarely_said(days: pd.DataFrame, truth: str) -> None:
    assert onsets_a_month(of(days, truth), "wearing_less") <= 0.2


def test_stable_people_are_stable(days: pd.DataFrame) -> None:
    own = of(days, "stable")
    assert measures.share_of_days(own, "stable") > 0.85
    # so that the rates above are not those of people without a verdict
    assert len(measures.with_verdict(own)) > 0.8 * len(own)


def test_in_a_random_order_nothing_rises_or_falls(everything: pd.DataFrame) -> None:
    shares = [Shuffle.of(f"stable/{seed}/", everything) for seed in (1, 2, 3)]
    assert np.mean([each.judged_share for each in shares]) <= 0.02


def test_in_a_random_order_a_real_export_neither_rises_nor_falls(everything: pd.DataFrame) -> None:
    if not EXPORT.exists():
        pytest.skip(optional.EXPORTS.what)
    shares = [Shuffle.of(f"export/{seed}/", everything) for seed in (1, 2, 3)]
    assert all(each.days > 900 for each in shares)
    assert max(each.share for each in shares) <= 0.02


def test_drops_are_found_and_stay_said(days: pd.DataFrame) -> None:
    found = finding(of(days, "steps drop by 30 %"), "declining")
    assert found.people == COUNTS["steps drop by 30 %"]
    assert found.within[28] >= 0.75
    assert found.lasting >= 0.8
    assert found.error <= 7


def test_less_wear_is_found(days: pd.DataFrame) -> None:
    assert finding(of(days, "wear days 80 to 40 %"), "wearing_less").within[28] >= 0.75


def test_who_wears_it_for_fewer_hours_has_neither_stopped_nor_declined(days: pd.DataFrame) -> None:
    own = of(days, "wear hours 15 to 6.5")
    assert finding(own, "wearing_less").within[28] == 1
    assert set(own[own["after"] >= 28]["status"]) == {"wearing_less"}


def test_who_stops_is_found_within_two_weeks(days: pd.DataFrame) -> None:
    own = of(days, "stops")
    assert finding(own, "stopped").within[28] == 1
    assert set(own[own["after"] >= 15]["status"]) == {"stopped"}


def test_who_returns_has_not_stopped(days: pd.DataFrame) -> None:
    own = of(days, "lapses and returns")
    assert finding(own, "stopped").within[28] == 1
    assert "stopped" not in set(own[own["after"] >= 60]["status"])


def test_the_roster_decides(days: pd.DataFrame) -> None:
    assert set(of(days, "finished").query("after >= 0")["status"]) == {"completed"}
    assert "completed" not in set(of(days, "finished").query("after < 0")["status"])
    assert set(of(days, "withdrawn").query("after >= 0")["status"]) == {"withdrawn"}
    never = of(days, "never started")
    assert set(never[never["day"] >= 20]["status"]) == {"never_started"}
    assert never["user_id"].nunique() == COUNTS["never started"]


def test_of_new_people_nothing_is_said(days: pd.DataFrame) -> None:
    assert set(of(days, "new")["status"]) == {"new"}


def made(statuses: list[str], onset: float = np.nan) -> pd.DataFrame:
    """One person's days, whose change is on a day."""
    frame = pd.DataFrame({"user_id": "a", "day": range(len(statuses)), "status": statuses, "onset": onset})
    return frame.assign(since=frame["day"] - 2.0, after=frame["day"] - onset)


def test_an_onset_is_a_status_that_was_not_said_the_day_before() -> None:
    days = made(["new", "declining", "declining", "stable", "declining"])
    assert measures.onsets(days, "declining") == 2
    assert measures.onsets_a_month(days, "declining") == pytest.approx(2 / 4 * 365.25 / 12)
    assert measures.changes_a_year(days) == pytest.approx(2 / 4 * 365.25)
    assert measures.share_of_days(days, "declining") == 0.75


def test_a_finding_counts_from_the_change() -> None:
    found = finding(made(["stable"] * 10 + ["declining"] * 200, onset=5.0), "declining")
    assert found == measures.Finding(1, {14: 1.0, 28: 1.0, 56: 1.0}, 5.0, 1.0, 3.0)
    lost = finding(made(["stable"] * 210, onset=5.0), "declining")
    assert lost.within == {14: 0.0, 28: 0.0, 56: 0.0}
    assert lost.delay == np.inf


def test_shuffling_keeps_each_persons_days() -> None:
    rows = pd.DataFrame({"user_id": ["a"] * 50 + ["b"] * 50, "activity_date": 0, "total_steps": range(51, 151)})
    mixed = measures.shuffled(rows, 1)
    assert mixed["total_steps"].tolist() != rows["total_steps"].tolist()
    assert mixed["total_steps"][:50].tolist() == list(range(51, 101))
    assert sorted(mixed["total_steps"][50:]) == list(range(101, 151))


def test_tables_are_written_between_the_markers() -> None:
    table = Table("Title", ["a", "b"], [["1", "2"]])
    assert as_text([table]) == "Title\na  b\n1  2"
    page = written(f"before\n{BEGIN}\nold\n{END}\nafter\n", as_markdown([table]))
    assert page == f"before\n{BEGIN}\n\n**Title.**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n{END}\nafter\n"
    with pytest.raises(ValueError, match="no"):
        written("no markers", "")
