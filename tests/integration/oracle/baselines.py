"""What is usual, and what deviates from it."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

METRICS = ("steps", "mvpa_minutes", "sedentary_minutes", "calories", "minutes_asleep", "sleep_efficiency")


def valid_amounts(days: pd.DataFrame, metric: str) -> Floats:
    """Return the metric by day, NaN where the day does not count or has no value."""
    return np.where(days["is_valid_day"], days[metric], np.nan).astype(np.float64)


def quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a NaN-ignoring function, for which a window without values is nothing to warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*arguments)


def row_medians(matrix: Floats) -> Floats:
    medians: Floats = quietly(lambda: np.nanmedian(matrix, axis=1))
    return medians


def baseline_of(days: pd.DataFrame, metric: str) -> pd.DataFrame:
    amounts = valid_amounts(days, metric)
    padded = np.concatenate([np.full(28, np.nan), amounts])
    window = np.lib.stride_tricks.sliding_window_view(padded, 28)[:-1]
    known = (~np.isnan(window)).sum(axis=1)
    median = np.where(known >= 7, row_medians(window), np.nan)
    mad = np.where(known >= 7, row_medians(np.abs(window - median[:, None])), np.nan)
    same_weekday = window[:, [0, 7, 14, 21]]
    weekday = np.where((~np.isnan(same_weekday)).sum(axis=1) >= 3, row_medians(same_weekday), np.nan)
    return pd.DataFrame(
        {
            "user_id": days["user_id"],
            "activity_date": days["activity_date"],
            "metric": metric,
            "n_days": known,
            "median": median,
            "mad": mad,
            "weekday_median": weekday,
        }
    )


def deviation_of(days: pd.DataFrame, metric: str, baseline: pd.DataFrame) -> pd.DataFrame:
    rows = []
    was_low = False
    for day, reason, value, median, mad in zip(
        days["activity_date"],
        days["invalid_reason"],
        valid_amounts(days, metric),
        baseline["median"],
        baseline["mad"],
        strict=True,
    ):
        has_z = not math.isnan(value) and not math.isnan(median) and mad > 0
        z = 0.6745 * (value - median) / mad if has_z else math.nan
        rows.append(
            {
                "user_id": days["user_id"].iloc[0],
                "activity_date": day,
                "metric": metric,
                "value": value,
                "delta": value - median,
                "ratio": value / median if median else math.nan,
                "robust_z": z,
                "is_low": (z <= -2) if has_z else None,
                "is_alert": z <= -2 and was_low,
                "null_reason": None if has_z else why_no_z(reason, value, median),
            }
        )
        was_low = z <= -2
    return pd.DataFrame(rows)


def why_no_z(invalid_reason: str | None, value: float, median: float) -> str:
    if not pd.isna(invalid_reason):
        return str(invalid_reason)
    if math.isnan(value):
        return "metric_missing"
    return "insufficient_baseline" if math.isnan(median) else "mad_zero"
