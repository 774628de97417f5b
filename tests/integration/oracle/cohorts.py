"""What is counted across users."""

import math
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tests.integration.oracle.baselines import quietly
from tests.integration.oracle.groups import EVERYBODY, groups_of, groups_of_one
from tests.integration.oracle.rows import DAY


def cohort_engagement(answer: dict[str, pd.DataFrame], as_of: date) -> pd.DataFrame:
    """Return rpt_cohort_engagement, from fct_user_status and dim_participant."""
    statuses = answer["fct_user_status"]
    mondays = {}
    for person in people_of(answer):
        dates = (person["enrolled_on"], person["first_date"])
        begun = min((day for day in dates if day), default=person["study_first_date"])
        mondays[person["user_id"]] = begun - begun.weekday() * DAY
    rows = []
    first_monday = min(mondays.values())
    founded_until = first_monday + 6 * DAY
    for (arm, site), users in groups_of(answer["dim_participant"]).items():
        of_group = statuses[statuses["user_id"].isin(users)]
        monday = first_monday
        while monday <= as_of:
            day = min(monday + 6 * DAY, as_of)
            everyone = of_group[of_group["as_of_date"] == day]
            founders = everyone[[mondays[user] <= founded_until for user in everyone["user_id"]]]
            for cohort, members in (("everyone", everyone), ("founders", founders)):
                for status in ["all", *members["status"].unique()] if len(members) else []:
                    those = members if status == "all" else members[members["status"] == status]
                    rows.append(
                        {
                            "arm": arm,
                            "site": site,
                            "week_start_date": monday,
                            "cohort": cohort,
                            "status": status,
                            "as_of_date": day,
                            "users": len(those),
                            "pct": 100 * len(those) / len(members) if len(members) >= 10 else math.nan,
                            "median_vs_start": those["vs_start"].median(),
                        }
                    )
            monday += 7 * DAY
    return pd.DataFrame(rows)


def retention(answer: dict[str, pd.DataFrame], as_of: date) -> pd.DataFrame:
    """Return rpt_retention, from fct_user_day and dim_participant."""
    days = answer["fct_user_day"]
    valid: dict[str, list[date]] = {}
    for user, day in zip(
        days["user_id"][days["is_valid_day"]], days["activity_date"][days["is_valid_day"]], strict=True
    ):
        valid.setdefault(user, []).append(day)
    seen: dict[tuple[str, str], list[tuple[int, bool]]] = {EVERYBODY: []}
    for person in people_of(answer):
        origin = person["enrolled_on"] or person["first_date"] or person["study_first_date"]
        if origin > as_of:
            continue
        ends, withdrawn = person["ends_on"] or date.max, person["withdrawn_on"] or date.max
        until = min(as_of, ends, withdrawn)
        worn = [day for day in valid.get(person["user_id"], []) if origin <= day <= until]
        days_seen = (max(worn) - origin).days + 1 if worn else 0
        days_gone = (until - (max(worn) if worn else origin)).days
        has_stopped = withdrawn <= min(as_of, ends) or days_gone >= 14
        for group in groups_of_one(person):
            seen.setdefault(group, []).append((days_seen, has_stopped))
    return pd.DataFrame(
        [{"arm": arm, "site": site, **row} for (arm, site), people in seen.items() for row in staying(people)]
    )


def people_of(answer: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Return everybody on the roster or with an activity record, with the first day of each and of all."""
    first = answer["fct_user_day"].groupby("user_id")["activity_date"].min().to_dict()
    listed = answer["dim_participant"]
    people: list[dict[str, Any]] = []
    for row in listed.astype(object).where(listed.notna(), None).to_dict("records"):
        user = row["user_id"]
        if row["is_on_roster"] or user in first:
            people.append({str(name): value for name, value in row.items()})
            people[-1] |= {"first_date": first.get(user), "study_first_date": min(first.values())}
    return people


def staying(seen: list[tuple[int, bool]]) -> list[dict[str, Any]]:
    """Return a row a day on which something happens: scipy's Kaplan-Meier estimate and log-log interval.

    Arguments:
        seen: of each person, the days seen and whether the person stopped then.

    """
    if not seen:
        return []
    stopped = [days for days, has_stopped in seen if has_stopped]
    censored = [days for days, has_stopped in seen if not has_stopped]
    curve = stats.ecdf(stats.CensoredData(uncensored=stopped, right=censored)).sf
    # the interval is undefined where the share is 1 or 0
    with np.errstate(divide="ignore", invalid="ignore"):
        interval = quietly(lambda: curve.confidence_interval(0.95, method="log-log"))
    estimates = {
        int(day): (share, low, high)
        for day, share, low, high in zip(
            curve.quantiles,
            curve.probabilities,
            interval.low.probabilities,
            interval.high.probabilities,
            strict=True,
        )
    }
    rows = []
    for day in sorted({0, *stopped, *censored}):
        share, low, high = estimates.get(day, (1.0, 1.0, 1.0))
        if share in (0, 1):
            low = high = share
        rows.append(
            {
                "day": day,
                "at_risk": sum(days >= day for days, _ in seen),
                "stopped": stopped.count(day),
                "censored": censored.count(day),
                "staying": share,
                "staying_low": low,
                "staying_high": high,
            }
        )
    return rows
