"""How many rows each rule passed and rejected: fct_data_quality."""

from datetime import date

import pandas as pd

from tests.integration.oracle.rows import GRAINS, Counts


def data_quality(
    counts: dict[str, Counts],
    slept: list[tuple[str, date]],
    extents: dict[str, tuple[date, date]],
    twice: list[tuple[float, float]],
) -> pd.DataFrame:
    """Return the rules about dates and days; what the load kept out, only the manifest knows.

    Arguments:
        counts: the rows of each dataset.
        slept: the nights.
        extents: the first and last day of each user.
        twice: the steps of each day that was exported as a day, and of its hours.

    """
    rows = []
    for source, count in counts.items():
        if count.rows + count.implausible:
            implausible = count.implausible
            rows.append((f"{source}.plausible_date", count.rows + implausible, count.rows, implausible, 0, 0))
        extra = count.rows - count.keys
        rows.append((f"{source}.one_row_a_{GRAINS[source]}", count.rows, count.keys, 0, extra, count.conflicts))
    matched = sum(user in extents and extents[user][0] <= day <= extents[user][1] for user, day in slept)
    rows.append(("sleep.between_first_and_last_activity", len(slept), matched, len(slept) - matched, 0, 0))
    differing = sum(abs(day - hours) > day / 100 for day, hours in twice)
    rows.append(("daily_activity.agrees_with_hours", len(twice), len(twice), 0, 0, differing))
    columns = ["rule", "rows_in", "rows_out", "rows_rejected", "rows_deduplicated", "overlap_conflicts"]
    return pd.DataFrame(rows, columns=columns)
