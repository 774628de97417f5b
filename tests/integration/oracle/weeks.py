"""The weeks of a user: fct_user_week_engagement."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tests.integration.oracle.rows import DAY

if TYPE_CHECKING:
    from datetime import date


def weeks_of(days: pd.DataFrame) -> pd.DataFrame:
    weeks: dict[date, list[tuple[date, bool, float, int, date | None]]] = {}
    streak, last_valid = 0, None
    for day, is_partial, is_valid, steps in zip(
        days["activity_date"], days["is_partial_day"], days["is_valid_day"], days["steps"], strict=True
    ):
        eligible = weeks.setdefault(day - day.weekday() * DAY, [])
        if is_partial:
            continue
        streak = streak + 1 if is_valid else 0
        last_valid = day if is_valid else last_valid
        eligible.append((day, is_valid, steps, streak, last_valid))
    rows = []
    for monday, eligible in weeks.items():
        steps_of_valid = [steps for _, is_valid, steps, _, _ in eligible if is_valid]
        enough = len(steps_of_valid) >= 3
        year, week, _ = monday.isocalendar()
        rows.append(
            {
                "user_id": days["user_id"].iloc[0],
                "week_start_date": monday,
                "iso_week": f"{year}-W{week:02}",
                "eligible_days": len(eligible),
                "valid_days": len(steps_of_valid),
                "wear_rate": len(steps_of_valid) / len(eligible) if eligible else math.nan,
                "steps_per_valid_day": np.mean(steps_of_valid) if enough else math.nan,
                "steps_cv": np.std(steps_of_valid, ddof=1) / np.mean(steps_of_valid) if enough else math.nan,
                "longest_streak_days": max(entry[3] for entry in eligible) if eligible else math.nan,
                "current_streak_days": eligible[-1][3] if eligible else math.nan,
                "days_since_last_valid_day": (eligible[-1][0] - eligible[-1][4]).days
                if eligible and eligible[-1][4]
                else math.nan,
            }
        )
    return pd.DataFrame(rows)
