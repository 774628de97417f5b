"""How many participants and days each rule keeps: rpt_flow, rpt_definitions and rpt_unjudged_days."""

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from tests.integration.oracle.groups import groups_of

if TYPE_CHECKING:
    from collections.abc import Callable

Day = dict[str, Any]

# in the order of the mart
REASONS = (
    *("can_be_flagged", "no_record", "partial_day", "not_worn", "steps_missing", "steps_below_min", "steps_above_max"),
    *("insufficient_baseline", "mad_zero", "cannot_be_low", "no_wear_signal"),
)


def definitions(users: dict[str, pd.DataFrame], participants: pd.DataFrame | None) -> pd.DataFrame:
    """Return rpt_definitions.

    Arguments:
        users: the days of each user.
        participants: dim_participant, or None without participants.

    """
    rules: dict[str, Callable[[Day], bool]] = {
        "every_record": lambda day: bool(day["has_record"]),
        "at_least_1": lambda day: day["steps"] >= 1,
        "at_least_500": lambda day: day["steps"] >= 500,
        "at_least_1000": lambda day: day["steps"] >= 1000,
        "plausible": is_plausible,
        "worn": is_worn,
        "plausible_and_worn": lambda day: is_plausible(day) and is_worn(day),
        "valid": lambda day: bool(day["is_valid_day"]),
    }
    rows = []
    days = {user: days_of(frame) for user, frame in users.items()}
    for (arm, site), members in groups_of(participants).items():
        for position, (name, rule) in enumerate(rules.items(), start=1):
            kept = [
                [day for day in own if not math.isnan(day["steps"]) and rule(day)]
                for user, own in days.items()
                if user in members
            ]
            rows.append({"arm": arm, "site": site, "position": position, "definition": name, **summary(kept)})
        # what is left are valid days
        position, name, kept = len(rules) + 1, "in_valid_weeks", [in_valid_weeks(own) for own in kept]
        rows.append({"arm": arm, "site": site, "position": position, "definition": name, **summary(kept)})
    return pd.DataFrame(rows)


def flow(users: dict[str, pd.DataFrame], participants: pd.DataFrame | None) -> pd.DataFrame:
    """Return rpt_flow.

    Arguments:
        users: the days of each user.
        participants: dim_participant, or None without participants.

    """
    steps: dict[str, Callable[[Day], bool]] = {
        "any_record": lambda day: day["has_record"],
        "whole_days": lambda day: not day["is_partial_day"],
        "worn": lambda day: day["invalid_reason"] != "not_worn",
        "plausible": is_plausible,
    }
    rows: list[dict[str, Any]] = []
    days = {user: days_of(frame) for user, frame in users.items()}
    for (arm, site), members in groups_of(participants).items():
        nothing = {"user_days": math.nan, "mean_steps": math.nan}
        left: list[tuple[str, dict[str, Any]]] = [("known", {"users": len(members), **nothing})]
        kept = [own for user, own in days.items() if user in members]
        for step, rule in steps.items():
            kept = [[day for day in own if rule(day)] for own in kept]
            left.append((step, summary(kept)))
        # what is left are valid days, in their order
        left.append(("with_baseline", summary([own[21:] for own in kept])))
        rows += [
            {"arm": arm, "site": site, "position": position, "step": step, **found}
            for position, (step, found) in enumerate(left, start=1)
        ]
    return pd.DataFrame(rows)


def unjudged_days(
    users: dict[str, pd.DataFrame], deviations: pd.DataFrame | None, participants: pd.DataFrame | None
) -> pd.DataFrame:
    """Return rpt_unjudged_days.

    Arguments:
        users: the days of each user.
        deviations: fct_user_day_deviation, or None without days.
        participants: dim_participant, or None without participants.

    """
    worn_by_steps = {
        (user, day["activity_date"])
        for user, frame in users.items()
        for day in days_of(frame)
        if day["wear_source"] == "steps"
    }
    found: dict[str, list[str]] = {reason: [] for reason in REASONS}
    if deviations is not None:
        of_steps = deviations[deviations["metric"] == "steps"]
        for user, day, reason in zip(
            of_steps["user_id"], of_steps["activity_date"], of_steps["null_reason"], strict=True
        ):
            found["can_be_flagged" if pd.isna(reason) else reason].append(user)
            if pd.isna(reason) and (user, day) in worn_by_steps:
                found["no_wear_signal"].append(user)
    rows = []
    for (arm, site), members in groups_of(participants).items():
        for position, (reason, everybody) in enumerate(found.items(), start=1):
            those = [user for user in everybody if user in members]
            rows.append(
                {
                    "arm": arm,
                    "site": site,
                    "position": position,
                    "reason": reason,
                    "users": len(set(those)),
                    "user_days": len(those),
                }
            )
    return pd.DataFrame(rows)


def in_valid_weeks(days: list[Day]) -> list[Day]:
    """Return the days in ISO weeks with four of them or more."""
    weeks = Counter(day["activity_date"].isocalendar()[:2] for day in days)
    return [day for day in days if weeks[day["activity_date"].isocalendar()[:2]] >= 4]


def is_worn(day: Day) -> bool:
    return bool(day["wear_minutes"] >= 600 or day["wear_hours"] >= 10)


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
