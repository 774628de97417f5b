"""Compare statuses with the truth: how often a status is wrong, how soon a change is found, how long it is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from tests.simulation.people import FIRST_DATE, Person

MONTH = 365.25 / 12
YEAR = 365.25
NO_VERDICT = ("new", "never_started")
BY_ACTIVITY = ("declining", "increasing")
LATER = 120  # days after a change at which it should still be said
SOON = 28
# from each of these days since the change to the next
PERIODS = (0, 14, 28, 56, 120)


def judged(people: Sequence[Person], statuses: pd.DataFrame) -> pd.DataFrame:
    """Put the truth beside the statuses.

    Returns:
        A row for each user and day: user_id, day, status, since, truth, state and after (days since the onset, if any).

    """
    days = pd.DataFrame(
        {
            "user_id": statuses["user_id"].astype(str),
            "day": days_since_first(statuses["as_of_date"]).astype(int),
            "status": statuses["status"],
            "since": days_since_first(statuses["since_date"]),
        }
    )
    persons = pd.DataFrame(
        {
            "user_id": [person.user_id for person in people],
            "truth": [person.truth for person in people],
            "onset": [np.nan if person.course.onset is None else person.course.onset for person in people],
        }
    )
    states = pd.concat(
        [
            pd.DataFrame({"user_id": person.user_id, "day": range(person.course.days), "state": person.course.state})
            for person in people
        ],
        ignore_index=True,
    )
    merged = days.merge(persons, on="user_id").merge(states, on=["user_id", "day"])
    merged["after"] = merged["day"] - merged["onset"]
    return merged.sort_values(["user_id", "day"], ignore_index=True)


def days_since_first(dates: "pd.Series[pd.Timestamp]") -> "pd.Series[int]":
    return (pd.to_datetime(dates) - pd.Timestamp(FIRST_DATE)).dt.days


def with_verdict(days: pd.DataFrame) -> pd.DataFrame:
    """Leave out the days on which it is too early to say anything."""
    return days[~days["status"].isin(NO_VERDICT)]


def onsets(days: pd.DataFrame, status: str) -> int:
    """Count how often a status begins: it is said, and was not said of this person on the day before."""
    is_said = days["status"] == status
    was_said = is_said.groupby(days["user_id"]).shift(fill_value=False)
    return int((is_said & ~was_said).sum())


def onsets_a_month(days: pd.DataFrame, status: str) -> float:
    """Return how often a status begins in a person-month with a verdict."""
    return onsets(days, status) / len(with_verdict(days)) * MONTH


def changes_a_year(days: pd.DataFrame) -> float:
    """Return how often the status changes in a person-year with a verdict."""
    known = with_verdict(days)
    before = known.groupby("user_id")["status"].shift()
    return float((before.notna() & (before != known["status"])).sum() / len(known) * YEAR)


def share_of_days(days: pd.DataFrame, *statuses: str) -> float:
    """Return the share of person-days with a verdict that have one of the statuses."""
    return float(with_verdict(days)["status"].isin(statuses).mean())


@dataclass(frozen=True)
class Finding:
    """How a change is found.

    Arguments:
        people: how many had the change.
        within: by number of days, the share of people of whom it was said within so many days.
        delay: median days from the change to the verdict; infinite if fewer than half are found.
        lasting: of those found within 28 days, the share of whom it is still said 120 days after the change.
        error: median difference in days, without sign, of since_date on the day of the verdict from the change; of
            those found within 56 days.

    """

    people: int
    within: dict[int, float]
    delay: float
    lasting: float
    error: float


def finding(days: pd.DataFrame, *statuses: str) -> Finding:
    """Return how the change of these people is found."""
    said = days[(days["after"] >= 0) & days["status"].isin(statuses)]
    first = said.groupby("user_id").first()
    delays = first["after"].reindex(days["user_id"].unique(), fill_value=np.inf)
    soon = delays[delays < SOON].index
    later = days[(days["after"] == LATER) & days["user_id"].isin(soon)]
    errors = (first["since"] - first["onset"]).abs()[first["after"] < PERIODS[3]].dropna()
    return Finding(
        people=len(delays),
        within={limit: float((delays < limit).mean()) for limit in PERIODS[1:4]},
        delay=float(np.median(delays)),
        lasting=float(later["status"].isin(statuses).mean()) if len(later) else np.nan,
        error=float(errors.median()) if len(errors) else np.nan,
    )


def said_after(days: pd.DataFrame, status: str, after: int) -> float:
    """Return the share of people of whom a status is said a number of days after the change."""
    return float((days[days["after"] == after]["status"] == status).mean())


def of(days: pd.DataFrame, *truths: str) -> pd.DataFrame:
    """Return the days of people with one of the truths."""
    return days[days["truth"].isin(truths)]


def confusion(days: pd.DataFrame) -> pd.DataFrame:
    """Return the share of person-days of each status, by truth and days since the change."""
    names = ["before", *(f"{begin}-{end - 1}" for begin, end in pairwise(PERIODS))]
    names.append(f"{PERIODS[-1]} and more")
    periods = pd.cut(days["after"], [-np.inf, *PERIODS, np.inf], right=False, labels=names)
    periods = periods.cat.add_categories("all days").where(days["onset"].notna(), "all days")
    return pd.crosstab([days["truth"], periods], days["status"], normalize="index")


def shuffled(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Put each person's counted days in a random order, so that nothing can rise or fall.

    Arguments:
        rows: with the columns user_id, activity_date and total_steps, one a person and day. The days with fewer than
            100 steps stay where they are.

    """
    rng = np.random.default_rng(seed)
    mixed = rows.copy()
    counted = mixed["total_steps"] >= 100
    mixed.loc[counted, "total_steps"] = (
        mixed[counted].groupby("user_id")["total_steps"].transform(lambda steps: rng.permutation(steps.to_numpy()))
    )
    return mixed
