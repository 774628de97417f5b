"""An independent implementation of the marts in pandas and plain loops, for the tests to compare with.

It follows docs/marts.md, not the SQL. It reads raw rows with their file names and returns a frame a mart, with the
names of the mart's columns.
"""

import math
from collections.abc import Callable
from datetime import date, datetime

import pandas as pd

from tests.integration.oracle.baselines import METRICS, baseline_of, deviation_of
from tests.integration.oracle.cohorts import cohort_engagement, retention
from tests.integration.oracle.days import Worn, days_of
from tests.integration.oracle.flow import definitions, flow, unjudged_days
from tests.integration.oracle.follow_up import devices_of, follow_up
from tests.integration.oracle.quality import data_quality
from tests.integration.oracle.roster import dates_of, meaning_of, participants, roster_of
from tests.integration.oracle.rows import (
    ACTIVITY_COLUMNS,
    HOURLY_COLUMNS,
    READ,
    SLEEP_COLUMNS,
    WEAR_COLUMNS,
    Counts,
    Part,
    added_up,
    conflicting,
    merged,
    nights,
    one_each,
    ranks_of,
    read,
    renamed,
)
from tests.integration.oracle.status import statuses_of, with_roster
from tests.integration.oracle.weeks import weeks_of


def marts(raw: Callable[[str], pd.DataFrame], *, as_of: date | None = None) -> dict[str, pd.DataFrame]:
    """Return every mart.

    Arguments:
        raw: returns a raw table, with `file_name` and `device`.
        as_of: the last day with a status; None for the latest complete day.

    """
    meaning, roster = meaning_of(raw("identifiers")), roster_of(raw("participants"))
    parts, implausible = {}, {}
    for source in READ:
        rows = raw(source)
        rows["user_id"] = [meaning.get(identifier, identifier) for identifier in rows["user_id"]]
        parts[source], implausible[source] = read(rows, source)
    minutes, periods = one_each(parts["minute_activity"]), one_each(parts["sleep_records"])
    exported_hours = [part for part in one_each(parts["hourly_steps"]) if not math.isnan(part.amounts["step_total"])]
    days_of_hours = [
        renamed(part, {"total_steps": "step_total"}, ACTIVITY_COLUMNS)
        for part in added_up(exported_hours, lambda moment: moment.date())
    ]
    hours_of_minutes = added_up(minutes, lambda moment: moment.replace(minute=0, second=0, microsecond=0))
    days_of_minutes = [
        renamed(
            part, {"total_steps": "steps", "total_distance": "distance_km", "calories": "calories"}, ACTIVITY_COLUMNS
        )
        for part in added_up(minutes, lambda moment: moment.date(), made_from=2)
    ]
    nights_of_periods = nights(periods)
    ranks = ranks_of(parts, hours_of_minutes, nights_of_periods, roster)
    active_days = merged([*parts["daily_activity"], *days_of_hours, *days_of_minutes], ACTIVITY_COLUMNS, ranks)
    sleep_days = merged([*parts["sleep"], *nights_of_periods], (*SLEEP_COLUMNS, "nap_minutes"), ranks)
    counted = [part for part in hours_of_minutes if not math.isnan(part.amounts["steps"])]
    counted = [renamed(part, {"step_total": "steps"}, HOURLY_COLUMNS) for part in counted]
    hours = merged([*parts["hourly_steps"], *counted], HOURLY_COLUMNS, ranks)
    wear = merged(parts["wear_time"], WEAR_COLUMNS, ranks)
    rates = rates_of(parts["heart_rate"])
    readings = {
        user: {moment: max(found, default=0) > 0 for moment, found in own.items()} for user, own in rates.items()
    }
    worn = Worn(hours, wear, readings)
    users = {user: days_of(user, active_days, sleep_days, worn) for user in sorted({user for user, _ in active_days})}
    if as_of is None:
        complete = [
            day
            for frame in users.values()
            for day, has_record, is_partial in zip(
                frame["activity_date"], frame["has_record"], frame["is_partial_day"], strict=True
            )
            if has_record and not is_partial
        ]
        as_of = max(complete, default=None)
    result: dict[str, list[pd.DataFrame]] = {}
    for frame in users.values():
        for mart, rows in user_marts(frame, as_of).items():
            result.setdefault(mart, []).append(rows)
    answer = {mart: pd.concat(frames, ignore_index=True) for mart, frames in result.items()}
    dates = dates_of(parts, [*active_days, *sleep_days], users)
    answer |= participants(roster, meaning.values(), dates, as_of)
    if as_of is not None:
        answer["fct_user_status"] = with_roster(answer.get("fct_user_status"), users, roster, as_of)
        answer["rpt_cohort_engagement"] = cohort_engagement(answer, as_of)
        answer["rpt_retention"] = retention(answer, as_of)
        answer |= follow_up(answer, devices_of(answer, raw("sync_events"), raw("battery"), meaning), as_of)
    answer["rpt_definitions"] = definitions(users, answer.get("dim_participant"))
    answer["rpt_flow"] = flow(users, answer.get("dim_participant"))
    answer["rpt_unjudged_days"] = unjudged_days(
        users, answer.get("fct_user_day_deviation"), answer.get("dim_participant")
    )
    counts = {}
    for source, records in (
        ("daily_activity", active_days),
        ("sleep", sleep_days),
        ("hourly_steps", hours),
        ("wear_time", wear),
    ):
        from_rows = [record for record in records.values() if record.raw_rows]
        conflicts = sum(record.has_conflict for record in from_rows)
        counts[source] = Counts(implausible[source], len(parts[source]), len(from_rows), conflicts)
    for source, kept in (("sleep_records", periods), ("minute_activity", minutes)):
        conflicts = conflicting(parts[source], READ[source][1])
        counts[source] = Counts(implausible[source], len(parts[source]), len(kept), conflicts)
    moments = [found for own in rates.values() for found in own.values()]
    counts["heart_rate"] = Counts(
        implausible["heart_rate"], len(parts["heart_rate"]), len(moments), sum(len(found) > 1 for found in moments)
    )
    hours_of_days = {(part.user, part.moment, part.device): part.amounts["total_steps"] for part in days_of_hours}
    answer["fct_data_quality"] = data_quality(
        counts,
        list(sleep_days),
        {user: (frame["activity_date"].iloc[0], frame["activity_date"].iloc[-1]) for user, frame in users.items()},
        [
            (record.amounts["total_steps"], hours_of_days[user, day, record.device])
            for (user, day), record in active_days.items()
            if not record.made_from
            and not math.isnan(record.amounts["total_steps"])
            and (user, day, record.device) in hours_of_days
        ],
    )
    return answer


def rates_of(parts: list[Part]) -> dict[str, dict[datetime, set[float]]]:
    """Return the heart rates of each user and moment."""
    rates: dict[str, dict[datetime, set[float]]] = {}
    for part in parts:
        known = rates.setdefault(part.user, {}).setdefault(part.moment, set())
        known |= {rate for rate in part.amounts.values() if not math.isnan(rate)}
    return rates


def user_marts(days: pd.DataFrame, as_of: date | None) -> dict[str, pd.DataFrame]:
    baselines, deviations = [], []
    for metric in METRICS:
        baseline = baseline_of(days, metric)
        baselines.append(baseline)
        deviations.append(deviation_of(days, metric, baseline))
    result = {
        "fct_user_day": days,
        "fct_user_day_baseline": pd.concat(baselines, ignore_index=True),
        "fct_user_day_deviation": pd.concat(deviations, ignore_index=True),
        "fct_user_week_engagement": weeks_of(days),
    }
    if as_of is not None:
        result["fct_user_status"] = statuses_of(days, as_of)
    return result
