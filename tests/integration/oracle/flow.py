"""How many participants and days are left under each rule: rpt_flow and rpt_definitions."""

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

Day = dict[str, Any]


def definitions(users: list[pd.DataFrame]) -> pd.DataFrame:
    """Return rpt_definitions of the days of each user."""
    rules: dict[str, Callable[[Day], bool]] = {
        "every_record": lambda day: bool(day["has_record"]),
        "plausible": is_plausible,
        "plausible_and_worn": lambda day: is_plausible(day) and (day["wear_minutes"] >= 600 or day["wear_hours"] >= 10),
        "valid": lambda day: bool(day["is_valid_day"]),
    }
    rows = []
    for position, (name, rule) in enumerate(rules.items(), start=1):
        kept = [[day for day in days_of(frame) if not math.isnan(day["steps"]) and rule(day)] for frame in users]
        rows.append({"position": position, "definition": name, **summary(kept)})
    return pd.DataFrame(rows)


def flow(users: list[pd.DataFrame], known: int) -> pd.DataFrame:
    """Return rpt_flow.

    Arguments:
        users: the days of each user.
        known: how many participants there are.

    """
    rows: list[dict[str, Any]] = [
        {"position": 1, "step": "known", "users": known, "user_days": math.nan, "mean_steps": math.nan}
    ]
    kept = [days_of(frame) for frame in users]
    steps: dict[str, Callable[[Day], bool]] = {
        "any_record": lambda day: day["has_record"],
        "whole_days": lambda day: not day["is_partial_day"],
        "worn": lambda day: day["invalid_reason"] != "not_worn",
        "plausible": is_plausible,
    }
    for step, rule in steps.items():
        kept = [[day for day in days if rule(day)] for days in kept]
        rows.append({"position": len(rows) + 1, "step": step, **summary(kept)})
    # what is left are valid days, in their order
    rows.append({"position": len(rows) + 1, "step": "with_baseline", **summary([days[21:] for days in kept])})
    return pd.DataFrame(rows)


def is_plausible(day: Day) -> bool:
    return bool(100 <= day["steps"] <= 45000)


def days_of(frame: pd.DataFrame) -> list[Day]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def summary(users: list[list[Day]]) -> dict[str, Any]:
    steps = [day["steps"] for days in users for day in days]
    known = [each for each in steps if not math.isnan(each)]
    return {
        "users": sum(bool(days) for days in users),
        "user_days": len(steps),
        "mean_steps": sum(known) / len(known) if known else math.nan,
    }
