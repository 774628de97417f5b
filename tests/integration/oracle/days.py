"""The days of a user: fct_user_day."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from tests.integration.oracle.rows import DAY, Record, Records


@dataclass(frozen=True)
class Wear:
    """What says whether a user wore the device on a day.

    `minutes` and `hours` are NaN where nothing is known. An export may end inside its last day: that one does
    not have all.
    """

    minutes: float
    hours: float
    has_all_minutes: bool
    has_all_hours: bool

    def source(self) -> str:
        """Return the signal that decides."""
        if self.minutes >= 600:
            return "heart_rate"
        if self.hours >= 10:
            return "hours_with_steps"
        if self.has_all_minutes:
            return "heart_rate"
        return "hours_with_steps" if self.has_all_hours else "steps"

    def is_enough(self) -> bool:
        return self.minutes >= 600 or self.hours >= 10


class Worn:
    """The wear of everybody.

    Arguments:
        hours: the hours that count.
        stated: the wear time that devices state.
        readings: the times with a row of the heart rate, and whether it has a rate above 0, by user.

    """

    def __init__(self, hours: Records, stated: Records, readings: dict[str, dict[datetime, bool]]) -> None:
        self._stated = {key: record.amounts["minutes_worn"] for key, record in stated.items()}
        self._hours: dict[tuple[str, date], int] = {}
        for (user, hour), record in hours.items():
            self._hours.setdefault((user, hour.date()), 0)
            self._hours[user, hour.date()] += record.amounts["step_total"] > 0
        self._last_hour = last_days((user, hour.date()) for user, hour in hours)
        self._last_rate = last_days((user, moment.date()) for user, times in readings.items() for moment in times)
        minutes: dict[tuple[str, date], set[tuple[int, int]]] = {}
        for user, times in readings.items():
            for moment, is_reading in times.items():
                if is_reading:
                    minutes.setdefault((user, moment.date()), set()).add((moment.hour, moment.minute))
        self._measured = {
            key: len(found) for key, found in minutes.items() if len(found) >= 30 * len({hour for hour, _ in found})
        }

    def on(self, user: str, day: date) -> Wear:
        minutes = self._stated.get((user, day), math.nan)
        is_stated = not math.isnan(minutes)
        if not is_stated:
            minutes = self._measured.get((user, day), math.nan)
        hours = self._hours.get((user, day), math.nan)
        return Wear(
            minutes,
            hours,
            is_stated or (not math.isnan(minutes) and day < self._last_rate[user]),
            not math.isnan(hours) and day < self._last_hour[user],
        )


def last_days(days: Iterable[tuple[str, date]]) -> dict[str, date]:
    last: dict[str, date] = {}
    for user, day in days:
        last[user] = max(day, last.get(user, day))
    return last


def days_of(user: str, activity: Records, sleep: Records, worn: Worn) -> pd.DataFrame:
    """Return the user's days from the first to the last record: fct_user_day."""
    own = sorted(day for owner, day in activity if owner == user)
    rows = []
    for number in range((own[-1] - own[0]).days + 1):
        day = own[0] + number * DAY
        record, night = activity.get((user, day)), sleep.get((user, day))
        active = record.amounts if record else {}
        slept = night.amounts if night else {}
        asleep, in_bed = slept.get("total_minutes_asleep", math.nan), slept.get("total_time_in_bed", math.nan)
        steps = active.get("total_steps", math.nan)
        wear = worn.on(user, day)
        rows.append(
            {
                "user_id": user,
                "activity_date": day,
                "has_record": record is not None,
                "is_partial_day": day == own[-1],
                "invalid_reason": reason_against(record, wear, is_last=day == own[-1]),
                "steps": steps,
                "distance_km": active.get("total_distance", math.nan),
                "mvpa_minutes": active.get("very_active_minutes", math.nan)
                + active.get("fairly_active_minutes", math.nan),
                "sedentary_minutes": active.get("sedentary_minutes", math.nan),
                "calories": active.get("calories", math.nan),
                "device": record.device if record else None,
                "made_from": ("days", "hours", "minutes")[record.made_from] if record else None,
                "sleep_records": slept.get("total_sleep_records", math.nan),
                "minutes_asleep": asleep,
                "minutes_in_bed": in_bed,
                "minutes_awake": slept.get("total_minutes_awake", math.nan),
                "minutes_light": slept.get("total_minutes_light", math.nan),
                "minutes_deep": slept.get("total_minutes_deep", math.nan),
                "minutes_rem": slept.get("total_minutes_rem", math.nan),
                "nap_minutes": slept.get("nap_minutes", math.nan),
                "wear_hours": wear.hours,
                "wear_minutes": wear.minutes,
                "wear_source": wear.source() if record else None,
                # halves away from zero, as numeric has it
                "sleep_efficiency": math.floor(asleep / in_bed * 10000 + 0.5) / 10000
                if in_bed > 0 and asleep <= in_bed
                else math.nan,
            }
        )
    frame = pd.DataFrame(rows)
    frame["is_valid_day"] = frame["invalid_reason"].isna()
    return frame


def reason_against(record: Record | None, wear: Wear, *, is_last: bool) -> str | None:
    if record is None:
        return "no_record"
    steps = record.amounts["total_steps"]
    if is_last:
        return "partial_day"
    if wear.source() != "steps" and not wear.is_enough():
        return "not_worn"
    if math.isnan(steps):
        return "steps_missing"
    if steps < 100:
        return "steps_below_min"
    return "steps_above_max" if steps > 45000 else None
