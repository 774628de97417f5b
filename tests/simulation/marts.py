"""The statuses that the real marts give to simulated or real rows: load them into a database, and run dbt."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
import pandas as pd

from ingestion.config import Database
from tests.integration.warehouse import opened
from tests.simulation.people import Person, day


def daily_rows(people: Sequence[Person]) -> pd.DataFrame:
    """Return a row for each day with a record; a person with hourly rows has both, as exports have."""
    frames = []
    for person in people:
        numbers = np.flatnonzero(~np.isnan(person.steps))
        frames.append(
            pd.DataFrame(
                {
                    "user_id": person.user_id,
                    "activity_date": [day(number) for number in numbers.tolist()],
                    "total_steps": person.steps[numbers].astype(int),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def hourly_rows(people: Sequence[Person]) -> pd.DataFrame:
    """Return 24 rows for each day with a record, of the people who have hours."""
    frames = []
    for person in people:
        if person.hourly is None:
            continue
        numbers = np.flatnonzero(~np.isnan(person.steps))
        dates = pd.to_datetime([day(number) for number in numbers.tolist()])
        hours = dates.repeat(24) + pd.to_timedelta(np.tile(np.arange(24), numbers.size), unit="h")
        frames.append(
            pd.DataFrame(
                {
                    "user_id": person.user_id,
                    "activity_hour": hours,
                    "step_total": person.hourly[numbers].astype(int).ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def roster_rows(people: Sequence[Person]) -> pd.DataFrame:
    """Return the roster of the people who are on one."""
    columns = ["user_id", "enrolled_on", "ends_on", "withdrawn_on"]
    rows = [
        {"user_id": person.user_id, **{name: day(number) for name, number in person.course.roster.items()}}
        for person in people
        if person.course.roster is not None
    ]
    return pd.DataFrame(rows, columns=columns)


def statuses(
    server: Database,
    template: Database,
    people: Sequence[Person],
    others: Mapping[str, pd.DataFrame] = MappingProxyType({}),
    variables: str = "",
) -> pd.DataFrame:
    """Build the marts of simulated people and of other days; return fct_user_status.

    Arguments:
        people: at least one.
        others: daily rows by the prefix that their user ids get. Their dates are moved to end with the study: a status
            depends on the days before it and not on the calendar, so all can be built at once.
        variables: dbt vars that differ, as YAML in braces.

    Returns:
        user_id, as_of_date, status and since_date of each user and day.

    """
    last = day(people[0].course.days - 1)
    with (
        TemporaryDirectory() as folder,
        opened(server, template, Path(folder)) as warehouse,
    ):
        warehouse.put("daily_activity", "daily.csv", daily_rows(people))
        hours, roster = hourly_rows(people), roster_rows(people)
        if not hours.empty:
            warehouse.put("hourly_steps", "hourly.csv", hours)
        if not roster.empty:
            warehouse.put("participants", "participants.csv", roster)
        for prefix, rows in others.items():
            late = last - rows["activity_date"].max()
            moved = rows.assign(user_id=prefix + rows["user_id"], activity_date=rows["activity_date"] + late)
            warehouse.put("daily_activity", f"{prefix}.csv", moved)
        warehouse.run("--select", "+fct_user_status", *(["--vars", variables] if variables else []))
        return warehouse.frame(
            "select user_id, as_of_date, status, since_date from marts.fct_user_status order by user_id, as_of_date"
        )
