"""The answer, as of each day: fct_user_status."""

import math
import statistics
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pandas as pd

from tests.integration.oracle.rows import DAY, Roster

STATUSES = (
    *("withdrawn", "completed", "never_started", "stopped", "wearing_less", "new"),
    *("declining", "increasing", "stable"),
)


@dataclass
class Sum:
    """A cumulative sum that is never below 0, and the verdict that it carries.

    Arguments:
        cap: the highest value.
        on: above it the verdict begins.
        off: below it the verdict ends.

    """

    cap: float
    on: float
    off: float
    value: float = 0.0
    holds: bool = False
    since: date | None = None

    def add(self, amount: float, day: date) -> None:
        self.value = min(self.cap, max(0.0, self.value + amount))
        if self.value == 0:
            self.since = None
        elif self.since is None:
            self.since = day
        if self.value > self.on:
            self.holds = True
        elif self.value < self.off:
            self.holds = False


@dataclass
class Person:
    """What is known of a participant after some days.

    Arguments:
        first: the first record.

    """

    first: date
    calendar: list[bool] = field(default_factory=list)  # whether each day was valid
    steps: dict[date, float] = field(default_factory=dict)  # of the valid days
    last_worn: date | None = None  # a day with 100 steps, whatever its wear
    worn: dict[str, dict[date, float]] = field(default_factory=lambda: {"minutes": {}, "hours": {}})
    down: Sum = field(default_factory=lambda: Sum(10, 5, 2.5))
    up: Sum = field(default_factory=lambda: Sum(10, 5, 2.5))
    wear: Sum = field(default_factory=lambda: Sum(10, 5, 2.5))
    start: list[date] = field(default_factory=list)  # the valid days of the start that the last day was compared with
    rate: float = math.nan

    def live(self, day: date, *, is_valid: bool, is_partial: bool, steps: float, minutes: float, hours: float) -> None:
        """Compare a day with the start, then let it be part of what is known."""
        self.start = sorted(self.steps)[:84]
        self.rate = math.nan
        if len(self.calendar) >= 21:
            first = self.calendar[:84]
            self.rate = min(0.9, (sum(first) + 1) / (len(first) + 2))
        if is_valid:
            self._compare(day, steps)
        if not is_partial:
            self._watch_wear(day, is_valid=is_valid)
        self.calendar.append(is_valid)
        if steps >= 100:
            self.last_worn = day
        if is_valid:
            self.steps[day] = steps
            for kind, amount in (("minutes", minutes), ("hours", hours)):
                if not math.isnan(amount):
                    self.worn[kind][day] = amount

    def _compare(self, day: date, steps: float) -> None:
        if len(self.start) < 21:
            return
        logs = [math.log(self.steps[known]) for known in self.start]
        spread = statistics.stdev(logs)
        if spread < 0.01:
            return
        z = max(-2.0, min(2.0, (math.log(steps) - statistics.fmean(logs)) / spread))
        self.down.add(-z - 0.5, day)
        self.up.add(z - 0.5, day)

    def _watch_wear(self, day: date, *, is_valid: bool) -> None:
        if math.isnan(self.rate) or self.rate < 0.4:
            return
        less = self.rate - 0.3
        self.wear.add(math.log(less / self.rate) if is_valid else math.log((1 - less) / (1 - self.rate)), day)

    def answer(self, day: date) -> dict[str, Any]:
        """Return the row of a day that is not before the last one lived, without what the roster says."""
        last = max(self.steps, default=None)
        recent, base = self._steps(day, 0, 13), self._steps(day, 14, 41)
        start = [self.steps[known] for known in self.start] if len(self.start) >= 21 else []
        ratio = self._hours_ratio(day)
        idle = (day - last).days if last else None
        gone = (day - self.last_worn).days if self.last_worn else None
        status, since, evidence, threshold = "stable", None, max(self.down.value, self.up.value), 5.0
        by = None
        is_declining = self.down.holds and not (self.up.holds and self.up.value > self.down.value)
        if gone is not None and (gone >= 14 or (gone >= 5 and len(self._steps(self.last_worn or day, 0, 13)) >= 11)):
            status, since, evidence = "stopped", day - (gone - 1) * DAY, gone
            threshold = 14 if gone >= 14 else 5
        elif self.wear.holds:
            status, since, evidence, threshold = "wearing_less", self.wear.since, self.wear.value, 5
            by = "fewer_days"
        elif idle is not None and idle >= 14:
            status, since, evidence, threshold = "wearing_less", last and last + DAY, idle, 14
            by = "no_valid_day"
        elif ratio < 0.8:
            status, since, evidence, threshold = "wearing_less", None, ratio, 0.8
            by = "fewer_hours"
        elif len(self.start) < 21:
            status, since, evidence, threshold = "new", None, len(self.start), 21
        elif is_declining:
            status, since, evidence = "declining", self.down.since, self.down.value
        elif self.up.holds:
            status, since, evidence = "increasing", self.up.since, self.up.value
        recent_median = statistics.median(recent) if recent else math.nan
        base_median = statistics.median(base) if len(base) >= 7 else math.nan
        start_median = statistics.median(start) if start else math.nan
        return {
            "as_of_date": day,
            "status": status,
            "wearing_less_by": by,
            "since_date": since,
            "vs_start": recent_median / start_median,
            "vs_recent": recent_median / base_median,
            "evidence": evidence,
            "threshold": threshold,
            "recent_valid_days": len(recent),
            "base_valid_days": len(base),
            "recent_median_steps": recent_median,
            "base_median_steps": base_median,
            "start_median_steps": start_median,
            "start_valid_days": len(self.start),
            "cusum_down": self.down.value,
            "cusum_up": self.up.value,
            "cusum_wear": self.wear.value,
            "start_wear_rate": self.rate,
            "wear_hours_ratio": ratio,
            "last_valid_date": last,
            "days_since_last_valid_day": math.nan if idle is None else idle,
            "last_worn_date": self.last_worn,
            "days_since_last_worn": math.nan if gone is None else gone,
        }

    def _steps(self, day: date, begin: int, end: int) -> list[float]:
        """Return the steps of the valid days so many days before a day, both included."""
        days = [day - ago * DAY for ago in range(begin, end + 1)]
        return [self.steps[known] for known in days if known in self.steps]

    def _hours_ratio(self, day: date) -> float:
        if len(self.start) < 21:
            return math.nan
        for known in self.worn.values():
            first = [known[worn] for worn in self.start if worn in known]
            recent = [amount for worn, amount in known.items() if day - timedelta(13) <= worn <= day]
            if len(first) >= 7 and len(recent) >= 7 and statistics.median(first) > 0:
                return statistics.median(recent) / statistics.median(first)
        return math.nan


def statuses_of(days: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Return what the data alone say of a participant: a row for each day from the first record to the as-of date."""
    first, last = days["activity_date"].iloc[0], days["activity_date"].iloc[-1]
    person = Person(first)
    records = {row["activity_date"]: row for row in days.to_dict("records")}
    rows = []
    for number in range((as_of - first).days + 1):
        day = first + number * DAY
        if day <= last:
            row = records[day]
            person.live(
                day,
                is_valid=row["is_valid_day"],
                is_partial=row["is_partial_day"],
                steps=row["steps"],
                minutes=row["wear_minutes"],
                hours=row["wear_hours"],
            )
        rows.append({"user_id": days["user_id"].iloc[0], **person.answer(day)})
    return pd.DataFrame(rows)


def with_roster(
    known: pd.DataFrame | None, users: dict[str, pd.DataFrame], roster: Roster, as_of: date
) -> pd.DataFrame:
    """Return fct_user_status: the rows of the data, those of the roster before the first record, and what it overrules.

    Arguments:
        known: what the data alone say.
        users: the days of everybody with a record.
        roster: what the roster says of each participant.
        as_of: the last day with a status.

    """
    first = {user: frame["activity_date"].iloc[0] for user, frame in users.items()}
    rows: list[dict[str, Any]] = []
    if known is not None:
        rows = [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]
    for user, listed in roster.items():
        begin = begin_of(user, first, listed)
        if begin is None:
            continue
        end = min(as_of, first.get(user, as_of + DAY) - DAY)
        rows += [
            {"user_id": user, **Person(begin).answer(begin + number * DAY)} for number in range((end - begin).days + 1)
        ]
    return pd.DataFrame(
        [overruled(row, begin_of(row["user_id"], first, roster.get(row["user_id"], {})), roster) for row in rows]
    )


def begin_of(user: str, first: dict[str, date], listed: dict[str, Any]) -> date | None:
    """Return the first record or the enrolment, the earlier; or else the first record of all."""
    dates = [day for day in (listed.get("enrolled_on"), first.get(user)) if isinstance(day, date)]
    return min(dates, default=min(first.values(), default=None))


def overruled(row: dict[str, Any], begin: date | None, roster: Roster) -> dict[str, Any]:
    listed, day = roster.get(row["user_id"], {}), row["as_of_date"]
    ends, withdrawn = listed.get("ends_on"), listed.get("withdrawn_on")
    nothing = {"wearing_less_by": None, "evidence": math.nan, "threshold": math.nan}
    if withdrawn and day > withdrawn and (ends is None or withdrawn <= ends):
        return row | nothing | {"status": "withdrawn", "since_date": withdrawn + DAY}
    if ends and day > ends:
        return row | nothing | {"status": "completed", "since_date": ends + DAY}
    if pd.isna(row["last_worn_date"]) and begin and (day - begin).days >= 7:
        return row | nothing | {"status": "never_started", "since_date": begin}
    return row | {"since_date": begin} if row["status"] == "new" else row
