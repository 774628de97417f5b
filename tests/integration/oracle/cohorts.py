"""What is counted across users."""

import math
from datetime import date
from typing import Any

import pandas as pd

from tests.integration.oracle.rows import DAY
from tests.integration.oracle.status import STATUSES


def cohort_engagement(answer: dict[str, pd.DataFrame], as_of: date) -> pd.DataFrame:
    status, first_week = answer["fct_user_status"], first_weeks(answer)
    start = min(first_week.values())
    rows = []
    for number in range((as_of - start).days // 7 + 1):
        monday = start + 7 * number * DAY
        row: dict[str, Any] = {"week_start_date": monday, "as_of_date": min(monday + 6 * DAY, as_of)}
        everyone = status[status["as_of_date"] == row["as_of_date"]]
        founders = everyone[[first_week.get(user, date.max) < start + 7 * DAY for user in everyone["user_id"]]]
        for prefix, group in (("", everyone), ("cohort_", founders)):
            row[f"{prefix}users"] = len(group)
            for name in STATUSES:
                share = (group["status"] == name).mean() if len(group) else math.nan
                row[f"{prefix}pct_{name}"] = 100 * share
            row[f"{prefix}vs_recent"] = group["vs_recent"].median()
        if len(everyone):
            rows.append(row)
    return pd.DataFrame(rows)


def cohort_retention(answer: dict[str, pd.DataFrame], as_of: date) -> pd.DataFrame:
    weeks = answer["fct_user_week_engagement"]
    valid_days = {
        (user, monday): days
        for user, monday, days in zip(weeks["user_id"], weeks["week_start_date"], weeks["valid_days"], strict=True)
    }
    counts: dict[int, list[bool]] = {}
    for user, start in first_weeks(answer).items():
        monday, tenure = start, 0
        while monday + 6 * DAY <= as_of:
            counts.setdefault(tenure, []).append(valid_days.get((user, monday), 0) > 0)
            monday, tenure = monday + 7 * DAY, tenure + 1
    return pd.DataFrame(
        [
            {
                "tenure_week": tenure,
                "users": len(kept),
                "retained_users": sum(kept),
                "pct_retained": 100 * sum(kept) / len(kept),
            }
            for tenure, kept in sorted(counts.items())
        ],
        columns=["tenure_week", "users", "retained_users", "pct_retained"],
    )


def first_weeks(answer: dict[str, pd.DataFrame]) -> dict[str, date]:
    weeks = answer["fct_user_week_engagement"]
    pairs = sorted(zip(weeks["week_start_date"], weeks["user_id"], strict=True), reverse=True)
    return {user: monday for monday, user in pairs}
