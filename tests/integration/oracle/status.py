"""The answer, as of each day: fct_user_status."""

import math
from datetime import date

import numpy as np
import pandas as pd

from tests.integration.oracle.rows import DAY

STATUSES = ("insufficient_baseline", "lapsed", "disengaging", "declining", "increasing", "stable")


def statuses_of(days: pd.DataFrame, as_of: date) -> pd.DataFrame:
    valid = {
        day: steps
        for day, is_valid, steps in zip(days["activity_date"], days["is_valid_day"], days["steps"], strict=True)
        if is_valid
    }
    first = days["activity_date"].iloc[0]
    rows = []
    for number in range((as_of - first).days + 1):
        day = first + number * DAY

        def before(begin: int, end: int, today: date = day) -> list[tuple[int, float]]:
            """Return (days ago, steps) of the valid days among those so many days ago, both included."""
            return [(ago, valid[today - ago * DAY]) for ago in range(begin, end + 1) if today - ago * DAY in valid]

        recent = [steps for _, steps in before(0, 13)]
        base = [steps for _, steps in before(14, 41)]
        recent_median = float(np.median(recent)) if recent else math.nan
        base_median = float(np.median(base)) if len(base) >= 7 else math.nan
        trend = before(0, 27)
        last_valid = max((known for known in valid if known <= day), default=None)
        rows.append(
            {
                "user_id": days["user_id"].iloc[0],
                "as_of_date": day,
                "status": status_of(len(recent), len(base), recent_median / base_median),
                "recent_valid_days": len(recent),
                "base_valid_days": len(base),
                "recent_median_steps": recent_median,
                "base_median_steps": base_median,
                "median_ratio": recent_median / base_median,
                "slope_28d": slope([-ago for ago, _ in trend], [steps for _, steps in trend]),
                "last_valid_date": last_valid,
                "days_since_last_valid_day": (day - last_valid).days if last_valid else math.nan,
            }
        )
    return pd.DataFrame(rows)


def status_of(recent_valid_days: int, base_valid_days: int, ratio: float) -> str:
    if base_valid_days < 7:
        return "insufficient_baseline"
    if recent_valid_days == 0:
        return "lapsed"
    if recent_valid_days <= 7:
        return "disengaging"
    if ratio < 0.80:
        return "declining"
    return "increasing" if ratio > 1.20 else "stable"


def slope(x: list[int], y: list[float]) -> float:
    if len(x) < 7:
        return math.nan
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    products = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    return products / sum((a - x_mean) ** 2 for a in x)
