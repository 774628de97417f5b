"""The days of a user: fct_user_day."""

import math
from datetime import date

import pandas as pd

from tests.integration.oracle.rows import DAY, Record, Records


def days_of(
    user: str, activity: Records, sleep: Records, worn: dict[tuple[str, date], int], wear: Records
) -> pd.DataFrame:
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
        rows.append(
            {
                "user_id": user,
                "activity_date": day,
                "has_record": record is not None,
                "is_partial_day": day == own[-1],
                "invalid_reason": reason_against(record, is_last=day == own[-1]),
                "steps": steps,
                "distance_km": active.get("total_distance", math.nan),
                "mvpa_minutes": active.get("very_active_minutes", math.nan)
                + active.get("fairly_active_minutes", math.nan),
                "sedentary_minutes": active.get("sedentary_minutes", math.nan),
                "calories": active.get("calories", math.nan),
                "device": record.device if record else None,
                "made_from": ("days" if record.is_raw else "minutes") if record else None,
                "sleep_records": slept.get("total_sleep_records", math.nan),
                "minutes_asleep": asleep,
                "minutes_in_bed": in_bed,
                "minutes_awake": slept.get("total_minutes_awake", math.nan),
                "minutes_light": slept.get("total_minutes_light", math.nan),
                "minutes_deep": slept.get("total_minutes_deep", math.nan),
                "minutes_rem": slept.get("total_minutes_rem", math.nan),
                "nap_minutes": slept.get("nap_minutes", math.nan),
                "wear_hours": worn.get((user, day), math.nan),
                "wear_minutes": wear[user, day].amounts["minutes_worn"] if (user, day) in wear else math.nan,
                # halves away from zero, as numeric has it
                "sleep_efficiency": math.floor(asleep / in_bed * 10000 + 0.5) / 10000
                if in_bed > 0 and asleep <= in_bed
                else math.nan,
            }
        )
    frame = pd.DataFrame(rows)
    frame["is_valid_day"] = frame["invalid_reason"].isna()
    return frame


def reason_against(record: Record | None, *, is_last: bool) -> str | None:
    if record is None:
        return "no_record"
    steps = record.amounts["total_steps"]
    if is_last:
        return "partial_day"
    if math.isnan(steps):
        return "steps_missing"
    if steps < 100:
        return "steps_below_min"
    return "steps_above_max" if steps > 45000 else None
