"""Read the days of a real export for the shuffle test."""

from pathlib import Path

import pandas as pd

_NAMES = {
    "user_id": ("Id", "id", "user_id", "participant_id"),
    "activity_date": ("ActivityDate", "ActivityDay", "date", "activity_date"),
    "total_steps": ("TotalSteps", "StepTotal", "steps", "total_steps"),
}


def daily_activity(path: Path) -> pd.DataFrame:
    """Return user_id, activity_date and total_steps of a CSV file; one row a person and day, the greatest.

    Raises:
        ValueError: a column is missing.

    """
    rows = pd.read_csv(path)
    columns = {}
    for name, others in _NAMES.items():
        given = [other for other in others if other in rows.columns]
        if not given:
            raise ValueError(f"{path.name} has no column {others[0]}, but {', '.join(rows.columns)}")
        columns[given[0]] = name
    days = rows.rename(columns=columns)[list(_NAMES)].dropna()
    days["user_id"] = days["user_id"].astype(str)
    days["activity_date"] = pd.to_datetime(days["activity_date"]).dt.date
    days["total_steps"] = days["total_steps"].astype(int)
    return days.groupby(["user_id", "activity_date"])["total_steps"].max().reset_index()
