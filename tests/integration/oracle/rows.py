"""Raw rows without duplicates: what counts for a user and day, or hour."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

# the order in which rows of one file are preferred
ACTIVITY_COLUMNS = (
    "total_steps",
    "calories",
    "total_distance",
    "very_active_minutes",
    "fairly_active_minutes",
    "lightly_active_minutes",
    "sedentary_minutes",
    "tracker_distance",
    "logged_activities_distance",
    "very_active_distance",
    "moderately_active_distance",
    "light_active_distance",
    "sedentary_active_distance",
)
SLEEP_COLUMNS = (
    "total_minutes_asleep",
    "total_time_in_bed",
    "total_sleep_records",
    "total_minutes_awake",
    "total_minutes_light",
    "total_minutes_deep",
    "total_minutes_rem",
)
HOURLY_COLUMNS = ("step_total",)
MINUTE_COLUMNS = ("steps", "distance_km", "calories")
OF_MINUTES = {"total_steps": "steps", "total_distance": "distance_km", "calories": "calories"}
WEAR_COLUMNS = ("minutes_worn", "worn_percent")
HEART_COLUMNS = ("beats_per_minute",)
RECORD_COLUMNS = ("minutes_asleep", "minutes_in_bed", "minutes_awake", "minutes_light", "minutes_deep", "minutes_rem")
# how each dataset is read: its columns of time, and its values in the order in which rows of a file are preferred
READ = {
    "daily_activity": (("activity_date",), ACTIVITY_COLUMNS),
    "sleep": (("sleep_day",), SLEEP_COLUMNS),
    "hourly_steps": (("activity_hour",), HOURLY_COLUMNS),
    "wear_time": (("wear_date",), WEAR_COLUMNS),
    "heart_rate": (("measured_at",), HEART_COLUMNS),
    "sleep_records": (("started_at", "ended_at", "sleep_day", "is_main_sleep"), RECORD_COLUMNS),
    "minute_activity": (("activity_minute", "recorded_by"), MINUTE_COLUMNS),
}
GRAINS = {
    "daily_activity": "user_and_day",
    "sleep": "user_and_day",
    "hourly_steps": "user_and_hour",
    "wear_time": "user_and_day",
    "heart_rate": "user_and_moment",
    "sleep_records": "device_and_period",
    "minute_activity": "device_and_moment",
}
DEVICES = (
    *("Fitbit", "Garmin", "Polar", "Withings", "Samsung Health", "Zepp", "Whoop", "Oura"),
    *("Apple Health", "Health Auto Export", "Health Connect"),
)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Part:
    """One row, or what finer rows add up to, of a user and moment.

    `made_from` is 0 for a row, and greater for sums of finer rows: a lower one comes first.
    """

    user: str
    moment: Any
    device: str
    made_from: int
    reach: date
    file: bytes
    amounts: dict[str, float]
    is_main_sleep: bool | None = None


@dataclass(frozen=True)
class Record:
    """What counts for a user and day, or hour."""

    amounts: dict[str, float]
    raw_rows: int
    has_conflict: bool
    device: str
    made_from: int


Records = dict[tuple[str, Any], Record]
Ranks = dict[tuple[str, date, str], int]
Roster = dict[str, dict[str, Any]]
Dates = dict[str, tuple[list[date], list[date]]]


@dataclass(frozen=True)
class Counts:
    """The rows of a dataset before and after its duplicates are removed."""

    implausible: int
    rows: int
    keys: int
    conflicts: int


def read(raw: pd.DataFrame, source: str) -> tuple[list[Part], int]:
    """Return the rows as parts, and how many rows have a date that no device can mean."""
    (time, *_), columns = READ[source]
    rows = []
    implausible = 0
    for row in raw.to_dict("records"):
        moment = row[time]
        if source == "sleep_records":
            minutes = 0 if pd.isna(row["minutes_in_bed"]) else float(row["minutes_in_bed"])
            given = (row["sleep_day"], row["ended_at"], moment + timedelta(minutes=minutes))
            measured = next(each for each in given if not pd.isna(each)).date()
        else:
            measured = moment.date()
        if not date(2009, 1, 1) <= measured <= row["_loaded_at"].date() + DAY:
            implausible += 1
            continue
        device = row["device"]
        if source == "minute_activity" and not pd.isna(row["recorded_by"]):
            device = row["recorded_by"]
        key = dict.fromkeys(("hourly_steps", "minute_activity", "heart_rate"), moment)
        key["sleep_records"] = (measured, moment)
        rows.append((row, key.get(source, measured), measured, device))
    reach: dict[str, date] = {}
    for row, _, measured, _ in rows:
        reach[row["file_name"]] = max(measured, reach.get(row["file_name"], measured))
    parts = [
        Part(
            row["user_id"],
            moment,
            device,
            0,
            reach[row["file_name"]],
            row["file_name"].encode(),
            {column: math.nan if pd.isna(row[column]) else float(row[column]) for column in columns},
            None if pd.isna(row.get("is_main_sleep")) else bool(row["is_main_sleep"]),
        )
        for row, moment, _, device in rows
    ]
    return parts, implausible


def first_first(parts: list[Part]) -> list[Part]:
    """Return parts of one device in their order of precedence."""

    def values(part: Part) -> tuple[float, ...]:
        return tuple(-1.0 if math.isnan(value) else value for value in part.amounts.values())

    return sorted(parts, key=lambda part: (-part.made_from, part.reach, part.file, values(part)), reverse=True)


def first_of(parts: list[Part], column: str) -> float:
    """Return the first value that is not missing."""
    given = (part.amounts[column] for part in parts if not math.isnan(part.amounts[column]))
    return next(given, math.nan)


def grouped(parts: list[Part], key: Callable[[Part], Any]) -> dict[Any, list[Part]]:
    groups: dict[Any, list[Part]] = {}
    for part in parts:
        groups.setdefault(key(part), []).append(part)
    return groups


def one_each(parts: list[Part]) -> list[Part]:
    """Return one part for each user, moment and device."""
    kept = []
    for group in grouped(parts, lambda part: (part.user, part.moment, part.device)).values():
        best, *_ = ordered = first_first(group)
        amounts = {column: first_of(ordered, column) for column in best.amounts}
        told = [part.is_main_sleep for part in ordered if part.is_main_sleep is not None]
        kept.append(replace(best, amounts=amounts, is_main_sleep=told[0] if told else None))
    return kept


def conflicting(parts: list[Part], columns: tuple[str, ...]) -> int:
    groups = grouped(parts, lambda part: (part.user, part.moment, part.device)).values()
    return sum(differ(group, columns) for group in groups)


def differ(parts: list[Part], columns: tuple[str, ...]) -> bool:
    """Tell whether two parts have different values of one column."""
    return any(
        len({part.amounts[column] for part in parts if not math.isnan(part.amounts[column])}) > 1 for column in columns
    )


def added_up(parts: list[Part], moment: Callable[[Any], Any], made_from: int = 1) -> list[Part]:
    """Return the sums of each user, device and longer time."""
    sums = []
    for (user, when, device), group in grouped(
        parts, lambda part: (part.user, moment(part.moment), part.device)
    ).items():
        amounts = {column: total(part.amounts[column] for part in group) for column in group[0].amounts}
        sums.append(Part(user, when, device, made_from, date.min, b"", amounts))
    return sums


def total(values: Iterable[float]) -> float:
    """Return the sum of what is given, NaN for nothing."""
    given = [value for value in values if not math.isnan(value)]
    return sum(given) if given else math.nan


def renamed(part: Part, names: dict[str, str], columns: tuple[str, ...]) -> Part:
    amounts = {column: part.amounts[names[column]] if column in names else math.nan for column in columns}
    if not math.isnan(amounts.get("calories", math.nan)):
        # halves to the even number, as PostgreSQL rounds double precision
        amounts["calories"] = round(amounts["calories"])
    return replace(part, amounts=amounts)


def nights(periods: list[Part]) -> list[Part]:
    """Return the days of sleep that periods add up to."""
    found = []
    for (user, day, device), group in grouped(periods, lambda part: (part.user, part.moment[0], part.device)).items():
        told = [part for part in group if part.is_main_sleep is not None]
        naps = total(part.amounts["minutes_asleep"] for part in told if not part.is_main_sleep)
        sums = {column: total(part.amounts[column] for part in group) for column in RECORD_COLUMNS}
        amounts = {
            "total_minutes_asleep": sums["minutes_asleep"],
            "total_time_in_bed": sums["minutes_in_bed"],
            "total_sleep_records": float(len(group)),
            **{f"total_{name}": sums[name] for name in RECORD_COLUMNS[2:]},
            "nap_minutes": (0.0 if math.isnan(naps) else naps) if told else math.nan,
        }
        found.append(Part(user, day, device, 1, date.min, b"", amounts))
    return found


def ranks_of(
    parts: dict[str, list[Part]], hours_of_minutes: list[Part], nights_of_periods: list[Part], roster: Roster
) -> Ranks:
    """Return which device counts first, second and so on, on the days of users that several devices recorded."""
    present: dict[tuple[str, date], set[str]] = {}
    hours: dict[tuple[str, date, str], set[datetime]] = {}
    for part in (*parts["daily_activity"], *parts["sleep"], *parts["wear_time"], *nights_of_periods):
        present.setdefault((part.user, part.moment), set()).add(part.device)
    for part in (*parts["hourly_steps"], *hours_of_minutes):
        present.setdefault((part.user, part.moment.date()), set()).add(part.device)
        walked = hours.setdefault((part.user, part.moment.date(), part.device), set())
        if part.amounts["steps" if part.made_from else "step_total"] > 0:
            walked.add(part.moment)
    worn = {
        key: first_of(first_first(group), "minutes_worn")
        for key, group in grouped(parts["wear_time"], lambda part: (part.user, part.moment, part.device)).items()
    }
    ranks = {}
    for (user, day), devices in present.items():
        if len(devices) > 1:

            def order(device: str, user: str = user, day: date = day) -> tuple[bool, float, int, bytes]:
                wear = worn.get((user, day, device), math.nan)
                if math.isnan(wear) and (user, day, device) in hours:
                    wear = 60 * len(hours[user, day, device])
                places = [place for place, name in enumerate(DEVICES) if name.lower() in device.lower()]
                own = roster.get(user, {}).get("device")
                is_own = own is not None and own.lower() in device.lower()
                return (not is_own, math.inf if math.isnan(wear) else -wear, min(places, default=99), device.encode())

            for rank, device in enumerate(sorted(devices, key=order)):
                ranks[user, day, device] = rank
    return ranks


def merged(parts: list[Part], columns: tuple[str, ...], ranks: Ranks) -> Records:
    """Return one record a user and moment: each value is the first that is not missing."""
    records = {}
    for (user, moment), group in grouped(parts, lambda part: (part.user, part.moment)).items():
        day = moment.date() if isinstance(moment, datetime) else moment
        by_device = grouped(group, lambda part: part.device)
        devices = sorted(by_device, key=lambda device: ranks.get((user, day, device), 0))
        ordered = [part for device in devices for part in first_first(by_device[device])]
        full = [replace(part, amounts={c: part.amounts.get(c, math.nan) for c in columns}) for part in ordered]
        main = next((part for part in full if not math.isnan(part.amounts[columns[0]])), full[0])
        compared = [part for part in full if not part.made_from and part.device == full[0].device]
        records[user, moment] = Record(
            {column: first_of(full, column) for column in columns},
            sum(not part.made_from for part in full),
            differ(compared, columns),
            main.device,
            main.made_from,
        )
    return records
