"""The tables of the bench, as text and as Markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tests.simulation import measures
from tests.simulation.measures import BY_ACTIVITY, LATER, PERIODS, of

BEGIN, END = "<!-- begin: make simulate -->", "<!-- end: make simulate -->"

# people to whom nothing happens
UNCHANGED = ("stable", "stable, with hours", "wears it 60 % of days")
# changes, and the statuses that are right
CHANGES = {
    "steps drop by 30 %": ("declining",),
    "1 % fewer steps a week": ("declining",),
    "steps rise by 43 %": ("increasing",),
    "wear days 80 to 40 %": ("wearing_less",),
    "wear hours 15 to 6.5": ("wearing_less",),
    "lapses and returns": ("stopped",),
    "stops": ("stopped",),
    "finished": ("completed",),
    "withdrawn": ("withdrawn",),
}
# changes that are short, or not the person's
PASSING = ("ill for a week", "two weeks of vacation", "seasonal dip", "another device, ±15 %")


@dataclass(frozen=True)
class Table:
    """A table with a title; the cells are text."""

    title: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Shuffle:
    """What is said of shuffled days.

    Arguments:
        name: whose days.
        seed: of the order.
        days: all person-days, also those without a verdict.
        share: of them, the share that is declining or increasing.
        judged: how many person-days are declining, increasing or stable.
        judged_share: the share of these that is declining or increasing.

    """

    name: str
    seed: int
    days: int
    share: float
    judged: int
    judged_share: float

    @classmethod
    def of(cls, prefix: str, statuses: pd.DataFrame) -> "Shuffle":
        """Count the statuses of the users whose id begins with `name/seed/`."""
        own = statuses[statuses["user_id"].str.startswith(prefix)]["status"]
        is_moving = own.isin(BY_ACTIVITY)
        is_judged = is_moving | (own == "stable")
        name, seed, _ = prefix.split("/")
        judged_share = float(is_moving.sum() / is_judged.sum()) if is_judged.any() else np.nan
        return cls(name, int(seed), len(own), float(is_moving.mean()), int(is_judged.sum()), judged_share)


def tables(days: pd.DataFrame, shuffles: Sequence[Shuffle]) -> list[Table]:
    """Return all tables of a run."""
    return [nothing_happens(days), changes_found(days), passing(days), shuffle_table(shuffles), confusion_table(days)]


def nothing_happens(days: pd.DataFrame) -> Table:
    kinds = ("declining", "increasing", "wearing_less", "stopped")
    rows = []
    for truth in UNCHANGED:
        own = of(days, truth)
        onsets = [f"{measures.onsets_a_month(own, kind):.2f}" for kind in kinds]
        wrong = percent(1 - measures.share_of_days(own, "stable"))
        people = own["user_id"].nunique()
        rows.append([truth, str(people), *onsets, wrong, f"{measures.changes_a_year(own):.1f}"])
    header = ["nothing happens", "people", *kinds, "days not stable", "changes a year"]
    return Table("False onsets in a person-month, of people to whom nothing happens", header, rows)


def changes_found(days: pd.DataFrame) -> Table:
    rows = []
    for truth, statuses in CHANGES.items():
        found = measures.finding(of(days, truth), *statuses)
        within = [percent(share) for share in found.within.values()]
        delay = f"{found.delay:.0f}" if np.isfinite(found.delay) else "not found"
        # who lapses has returned by then, and a slow decline is not found so soon
        lasting = "" if truth in ("lapses and returns", "1 % fewer steps a week") else percent(found.lasting)
        error = f"{found.error:.0f}" if np.isfinite(found.error) else ""
        name = " or ".join(f"`{status}`" for status in statuses)
        rows.append([truth, name, str(found.people), *within, delay, lasting, error])
    limits = [f"in {limit} days" for limit in PERIODS[1:4]]
    header = [
        "change",
        "right",
        "people",
        *limits,
        "median delay",
        f"still said after {LATER} days",
        "since_date off by",
    ]
    fading = of(days, "1 % fewer steps a week")
    last = int(fading["after"].max())
    points = [point for point in (120, 180, 240) if point <= last]
    slow = ", ".join(
        f"{percent(measures.said_after(fading, 'declining', point))} after {point} days" for point in points
    )
    return Table(f"How soon a change is found. Of a decline of 1 % a week, `declining` is said of {slow}", header, rows)


def passing(days: pd.DataFrame) -> Table:
    points = (14, 30, 60, 120)
    rows = []
    for truth in PASSING:
        own = of(days, truth)
        shares = []
        for point in points:
            then = own[own["after"] == point]["status"]
            shares.append(percent(float(then.isin(BY_ACTIVITY).mean())))
        rows.append([truth, str(own["user_id"].nunique()), *shares])
    header = ["what happens", "people", *(f"after {point} days" for point in points)]
    return Table(
        "Short changes, and changes that are not the person's: the share that is declining or increasing", header, rows
    )


def shuffle_table(shuffles: Sequence[Shuffle]) -> Table:
    rows = [
        [
            *(each.name, str(each.seed), f"{each.days:,}", percent(each.share, 1)),
            *(f"{each.judged:,}", percent(each.judged_share, 1)),
        ]
        for each in shuffles
    ]
    header = ["whose days", "seed", "person-days", "declining or increasing", "judged by activity", "of these"]
    return Table("Days in a random order: all that is called declining or increasing is chance", header, rows)


def confusion_table(days: pd.DataFrame) -> Table:
    matrix = measures.confusion(days)
    rows = []
    for labels, shares in zip(matrix.index.tolist(), matrix.to_numpy().tolist(), strict=True):
        rows.append([*map(str, labels), *(percent(share) if share else "" for share in shares)])
    header = ["truth", "days since the change", *matrix.columns]
    return Table("Share of person-days with each status", header, rows)


def percent(share: float, digits: int = 0) -> str:
    return "" if np.isnan(share) else f"{share * 100:.{digits}f} %"


def as_text(found: Sequence[Table]) -> str:
    """Return tables for a terminal."""
    parts = []
    for table in found:
        widths = [max(len(line[column]) for line in [table.header, *table.rows]) for column in range(len(table.header))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in [table.header, *table.rows]
        ]
        parts.append("\n".join([table.title, *lines]))
    return "\n\n".join(parts)


def as_markdown(found: Sequence[Table]) -> str:
    """Return tables for docs/methods.md."""
    parts = []
    for table in found:
        lines = [table.header, ["---"] * len(table.header), *table.rows]
        parts.append("\n".join([f"**{table.title}.**", "", *(f"| {' | '.join(line)} |" for line in lines)]))
    return "\n\n".join(parts)


def written(page: str, tables: str) -> str:
    """Return a page with the tables between its markers.

    Raises:
        ValueError: the page has no markers.

    """
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no {BEGIN}")
    return pattern.sub(lambda _: f"{BEGIN}\n\n{tables}\n\n{END}", page)
