"""An independent implementation of the marts in pandas and plain loops, for the tests to compare with.

It follows docs/marts.md, not the SQL. It reads raw rows with their file names and returns a frame a mart, with the
names of the mart's columns.
"""

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

METRICS = ("steps", "mvpa_minutes", "sedentary_minutes", "calories", "minutes_asleep", "sleep_efficiency")
STATUSES = ("insufficient_baseline", "lapsed", "disengaging", "declining", "increasing", "stable")
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
RECORD_COLUMNS = ("minutes_asleep", "minutes_in_bed", "minutes_awake", "minutes_light", "minutes_deep", "minutes_rem")
# how each dataset is read: its columns of time, and its values in the order in which rows of a file are preferred
READ = {
    "daily_activity": (("activity_date",), ACTIVITY_COLUMNS),
    "sleep": (("sleep_day",), SLEEP_COLUMNS),
    "hourly_steps": (("activity_hour",), HOURLY_COLUMNS),
    "wear_time": (("wear_date",), WEAR_COLUMNS),
    "sleep_records": (("started_at", "ended_at", "sleep_day", "is_main_sleep"), RECORD_COLUMNS),
    "minute_activity": (("activity_minute", "recorded_by"), MINUTE_COLUMNS),
}
GRAINS = {
    "daily_activity": "user_and_day",
    "sleep": "user_and_day",
    "hourly_steps": "user_and_hour",
    "wear_time": "user_and_day",
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
    """One row, or what finer rows add up to, of a user and moment."""

    user: str
    moment: Any
    device: str
    is_raw: bool
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
    is_raw: bool


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
    hours_of_minutes = added_up(minutes, lambda moment: moment.replace(minute=0, second=0, microsecond=0))
    days_of_minutes = [
        renamed(
            part, {"total_steps": "steps", "total_distance": "distance_km", "calories": "calories"}, ACTIVITY_COLUMNS
        )
        for part in added_up(minutes, lambda moment: moment.date())
    ]
    nights_of_periods = nights(periods)
    ranks = ranks_of(parts, hours_of_minutes, nights_of_periods, roster)
    active_days = merged([*parts["daily_activity"], *days_of_minutes], ACTIVITY_COLUMNS, ranks)
    sleep_days = merged([*parts["sleep"], *nights_of_periods], (*SLEEP_COLUMNS, "nap_minutes"), ranks)
    counted = [part for part in hours_of_minutes if not math.isnan(part.amounts["steps"])]
    counted = [renamed(part, {"step_total": "steps"}, HOURLY_COLUMNS) for part in counted]
    hours = merged([*parts["hourly_steps"], *counted], HOURLY_COLUMNS, ranks)
    wear = merged(parts["wear_time"], WEAR_COLUMNS, ranks)
    worn: dict[tuple[str, date], int] = {}
    for (user, hour), record in hours.items():
        worn.setdefault((user, hour.date()), 0)
        worn[user, hour.date()] += record.amounts["step_total"] > 0
    users = {
        user: days_of(user, active_days, sleep_days, worn, wear) for user in sorted({user for user, _ in active_days})
    }
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
    if as_of is not None:
        answer["rpt_cohort_engagement"] = cohort_engagement(answer, as_of)
        answer["rpt_cohort_retention"] = cohort_retention(answer, as_of)
    dates = dates_of(parts, [*active_days, *sleep_days], users)
    answer |= participants(roster, meaning.values(), dates, as_of)
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
    answer["fct_data_quality"] = data_quality(
        counts,
        list(sleep_days),
        {user: (frame["activity_date"].iloc[0], frame["activity_date"].iloc[-1]) for user, frame in users.items()},
    )
    return answer


def meaning_of(identifiers: pd.DataFrame) -> dict[str, str]:
    """Return whom each identifier means: what the file with the greatest name says, if it says one thing."""
    said: dict[str, dict[bytes, set[str]]] = {}
    for row in identifiers.to_dict("records"):
        said.setdefault(row["identifier"], {}).setdefault(row["file_name"].encode(), set()).add(row["user_id"])
    latest = {identifier: files[max(files)] for identifier, files in said.items()}
    return {identifier: next(iter(users)) for identifier, users in latest.items() if len(users) == 1}


def roster_of(participants: pd.DataFrame) -> Roster:
    """Return what the file with the greatest name says of each participant."""
    roster: Roster = {}
    for row in sorted(participants.to_dict("records"), key=lambda row: row["file_name"].encode()):
        roster[row["user_id"]] = {str(name): None if pd.isna(value) else value for name, value in row.items()}
    return roster


def dates_of(parts: dict[str, list[Part]], recorded: list[tuple[str, date]], users: dict[str, pd.DataFrame]) -> Dates:
    """Return the days with a record and the valid days of everybody whom a file names."""
    dates: Dates = {part.user: ([], []) for rows in parts.values() for part in rows}
    for user, day in recorded:
        dates[user][0].append(day)
    for user, frame in users.items():
        dates[user][1].extend(frame["activity_date"][frame["is_valid_day"]])
    return dates


def participants(
    roster: Roster, identifiers: Iterable[str], dates: Dates, as_of: date | None
) -> dict[str, pd.DataFrame]:
    """Return dim_participant, or nothing without participants.

    Arguments:
        roster: what the roster says.
        identifiers: the participant of each identifier.
        dates: the days with a record, and the valid days, of everybody whom a file names.
        as_of: the last day that is counted.

    """
    known_as = Counter(identifiers)
    rows = []
    for user in sorted(dates.keys() | roster.keys()):
        listed = roster.get(user, {})
        recorded, valid = dates.get(user, ([], []))
        enrolled, ends, withdrawn = (listed.get(name) for name in ("enrolled_on", "ends_on", "withdrawn_on"))
        left = min((day for day in (ends, withdrawn) if day), default=None)
        first, last = min(recorded, default=None), max(recorded, default=None)
        enrolled_days = math.nan
        if enrolled and as_of:
            enrolled_days = 0
            while enrolled + enrolled_days * DAY <= min(as_of, left or as_of):
                enrolled_days += 1
        rows.append(
            {
                "user_id": user,
                "is_on_roster": user in roster,
                "has_data": user in dates,
                "enrolled_on": enrolled,
                "ends_on": ends,
                "withdrawn_on": withdrawn,
                "left_on": left,
                **{name: listed.get(name) for name in ("arm", "site", "time_zone", "device")},
                "n_identifiers": known_as[user],
                "first_record_date": first,
                "last_record_date": last,
                "last_valid_date": max(valid, default=None),
                "enrolled_days": enrolled_days,
                "days_after_leaving": max((last - left).days, 0) if last and left else math.nan,
                "days_before_enrolment": max((enrolled - first).days, 0) if first and enrolled else math.nan,
            }
        )
    return {"dim_participant": pd.DataFrame(rows)} if rows else {}


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
        key = {"hourly_steps": moment, "minute_activity": moment, "sleep_records": (measured, moment)}
        rows.append((row, key.get(source, measured), measured, device))
    reach: dict[str, date] = {}
    for row, _, measured, _ in rows:
        reach[row["file_name"]] = max(measured, reach.get(row["file_name"], measured))
    parts = [
        Part(
            row["user_id"],
            moment,
            device,
            True,
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

    return sorted(parts, key=lambda part: (part.is_raw, part.reach, part.file, values(part)), reverse=True)


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


def added_up(parts: list[Part], moment: Callable[[Any], Any]) -> list[Part]:
    """Return the sums of each user, device and longer time."""
    sums = []
    for (user, when, device), group in grouped(
        parts, lambda part: (part.user, moment(part.moment), part.device)
    ).items():
        amounts = {column: total(part.amounts[column] for part in group) for column in group[0].amounts}
        sums.append(Part(user, when, device, False, date.min, b"", amounts))
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
        found.append(Part(user, day, device, False, date.min, b"", amounts))
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
        if part.amounts["step_total" if part.is_raw else "steps"] > 0:
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
        compared = [part for part in full if part.is_raw and part.device == full[0].device]
        records[user, moment] = Record(
            {column: first_of(full, column) for column in columns},
            sum(part.is_raw for part in full),
            differ(compared, columns),
            main.device,
            main.is_raw,
        )
    return records


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


def user_marts(days: pd.DataFrame, as_of: date | None) -> dict[str, pd.DataFrame]:
    baselines, anchors, deviations = [], [], []
    for metric in METRICS:
        baseline = baseline_of(days, metric)
        anchor = anchor_of(days, metric)
        baselines.append(baseline)
        anchors.append(anchor)
        deviations.append(deviation_of(days, metric, baseline, anchor))
    result = {
        "fct_user_day": days,
        "fct_user_day_baseline": pd.concat(baselines, ignore_index=True),
        "dim_user_anchor_baseline": pd.DataFrame(anchors),
        "fct_user_day_deviation": pd.concat(deviations, ignore_index=True),
        "fct_user_week_engagement": weeks_of(days),
    }
    if as_of is not None:
        result["fct_user_status"] = statuses_of(days, as_of)
    return result


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


def anchor_of(days: pd.DataFrame, metric: str) -> dict[str, Any]:
    amounts = pd.Series(valid_amounts(days, metric), index=days["activity_date"]).dropna().head(14)
    median = amounts.median()
    return {
        "user_id": days["user_id"].iloc[0],
        "metric": metric,
        "anchor_start_date": amounts.index[0] if len(amounts) else None,
        "anchor_end_date": amounts.index[-1] if len(amounts) else None,
        "n_days": len(amounts),
        "median": median,
        "mad": (amounts - median).abs().median(),
        "is_final": len(amounts) == 14,
    }


def deviation_of(days: pd.DataFrame, metric: str, baseline: pd.DataFrame, anchor: dict[str, Any]) -> pd.DataFrame:
    rows = []
    cusum = 0.0
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
        is_watched = anchor["is_final"] and day > anchor["anchor_end_date"] and anchor["mad"] > 0
        if is_watched and not math.isnan(value):
            cusum = max(0.0, cusum - 0.6745 * (value - anchor["median"]) / anchor["mad"] - 0.5)
        rows.append(
            {
                "user_id": days["user_id"].iloc[0],
                "activity_date": day,
                "metric": metric,
                "value": value,
                "delta": value - median,
                "ratio": value / median if median else math.nan,
                "robust_z": z,
                "cusum": cusum if is_watched else math.nan,
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


def weeks_of(days: pd.DataFrame) -> pd.DataFrame:
    weeks: dict[date, list[tuple[date, bool, float, int, date | None]]] = {}
    streak, last_valid = 0, None
    for day, is_partial, is_valid, steps in zip(
        days["activity_date"], days["is_partial_day"], days["is_valid_day"], days["steps"], strict=True
    ):
        eligible = weeks.setdefault(day - day.weekday() * DAY, [])
        if is_partial:
            continue
        streak = streak + 1 if is_valid else 0
        last_valid = day if is_valid else last_valid
        eligible.append((day, is_valid, steps, streak, last_valid))
    rows = []
    for monday, eligible in weeks.items():
        steps_of_valid = [steps for _, is_valid, steps, _, _ in eligible if is_valid]
        enough = len(steps_of_valid) >= 3
        year, week, _ = monday.isocalendar()
        rows.append(
            {
                "user_id": days["user_id"].iloc[0],
                "week_start_date": monday,
                "iso_week": f"{year}-W{week:02}",
                "eligible_days": len(eligible),
                "valid_days": len(steps_of_valid),
                "wear_rate": len(steps_of_valid) / len(eligible) if eligible else math.nan,
                "steps_per_valid_day": np.mean(steps_of_valid) if enough else math.nan,
                "steps_cv": np.std(steps_of_valid, ddof=1) / np.mean(steps_of_valid) if enough else math.nan,
                "longest_streak_days": max(entry[3] for entry in eligible) if eligible else math.nan,
                "current_streak_days": eligible[-1][3] if eligible else math.nan,
                "days_since_last_valid_day": (eligible[-1][0] - eligible[-1][4]).days
                if eligible and eligible[-1][4]
                else math.nan,
            }
        )
    return pd.DataFrame(rows)


def statuses_of(days: pd.DataFrame, as_of: date) -> pd.DataFrame:
    valid = {
        day: steps
        for day, is_valid, steps in zip(days["activity_date"], days["is_valid_day"], days["steps"], strict=True)
        if is_valid
    }
    first = days["activity_date"].iloc[0]
    rows = []
    for number in range((as_of - first).days + 1):
        day = first + number * DAY

        def before(begin: int, end: int, today: date = day) -> list[tuple[int, float]]:
            """Return (days ago, steps) of the valid days among those so many days ago, both included."""
            return [(ago, valid[today - ago * DAY]) for ago in range(begin, end + 1) if today - ago * DAY in valid]

        recent = [steps for _, steps in before(0, 13)]
        base = [steps for _, steps in before(14, 41)]
        recent_median = float(np.median(recent)) if recent else math.nan
        base_median = float(np.median(base)) if len(base) >= 7 else math.nan
        trend = before(0, 27)
        last_valid = max((known for known in valid if known <= day), default=None)
        rows.append(
            {
                "user_id": days["user_id"].iloc[0],
                "as_of_date": day,
                "status": status_of(len(recent), len(base), recent_median / base_median),
                "recent_valid_days": len(recent),
                "base_valid_days": len(base),
                "recent_median_steps": recent_median,
                "base_median_steps": base_median,
                "median_ratio": recent_median / base_median,
                "slope_28d": slope([-ago for ago, _ in trend], [steps for _, steps in trend]),
                "last_valid_date": last_valid,
                "days_since_last_valid_day": (day - last_valid).days if last_valid else math.nan,
            }
        )
    return pd.DataFrame(rows)


def status_of(recent_valid_days: int, base_valid_days: int, ratio: float) -> str:
    if base_valid_days < 7:
        return "insufficient_baseline"
    if recent_valid_days == 0:
        return "lapsed"
    if recent_valid_days <= 7:
        return "disengaging"
    if ratio < 0.80:
        return "declining"
    return "increasing" if ratio > 1.20 else "stable"


def slope(x: list[int], y: list[float]) -> float:
    if len(x) < 7:
        return math.nan
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    products = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    return products / sum((a - x_mean) ** 2 for a in x)


def cohort_engagement(answer: dict[str, pd.DataFrame], as_of: date) -> pd.DataFrame:
    status, first_week = answer["fct_user_status"], first_weeks(answer)
    start = min(first_week.values())
    rows = []
    for number in range((as_of - start).days // 7 + 1):
        monday = start + 7 * number * DAY
        row: dict[str, Any] = {"week_start_date": monday, "as_of_date": min(monday + 6 * DAY, as_of)}
        everyone = status[status["as_of_date"] == row["as_of_date"]]
        founders = everyone[[first_week[user] < start + 7 * DAY for user in everyone["user_id"]]]
        for prefix, group in (("", everyone), ("cohort_", founders)):
            row[f"{prefix}users"] = len(group)
            for name in STATUSES:
                share = (group["status"] == name).mean() if len(group) else math.nan
                row[f"{prefix}pct_{name}"] = 100 * share
            row[f"{prefix}median_ratio"] = group["median_ratio"].median()
        if len(everyone):
            rows.append(row)
    return pd.DataFrame(rows)


def cohort_retention(answer: dict[str, pd.DataFrame], as_of: date) -> pd.DataFrame:
    weeks = answer["fct_user_week_engagement"]
    valid_days = {
        (user, monday): days
        for user, monday, days in zip(weeks["user_id"], weeks["week_start_date"], weeks["valid_days"], strict=True)
    }
    counts: dict[int, list[bool]] = {}
    for user, start in first_weeks(answer).items():
        monday, tenure = start, 0
        while monday + 6 * DAY <= as_of:
            counts.setdefault(tenure, []).append(valid_days.get((user, monday), 0) > 0)
            monday, tenure = monday + 7 * DAY, tenure + 1
    return pd.DataFrame(
        [
            {
                "tenure_week": tenure,
                "users": len(kept),
                "retained_users": sum(kept),
                "pct_retained": 100 * sum(kept) / len(kept),
            }
            for tenure, kept in sorted(counts.items())
        ],
        columns=["tenure_week", "users", "retained_users", "pct_retained"],
    )


def first_weeks(answer: dict[str, pd.DataFrame]) -> dict[str, date]:
    weeks: Iterable[tuple[str, date]] = (
        answer["fct_user_week_engagement"].groupby("user_id")["week_start_date"].min().items()  # type: ignore[assignment]
    )
    return dict(weeks)


def data_quality(
    counts: dict[str, Counts], slept: list[tuple[str, date]], extents: dict[str, tuple[date, date]]
) -> pd.DataFrame:
    """Return the rules about dates and days; what the load kept out, only the manifest knows."""
    rows = []
    for source, count in counts.items():
        if count.rows + count.implausible:
            implausible = count.implausible
            rows.append((f"{source}.plausible_date", count.rows + implausible, count.rows, implausible, 0, 0))
        extra = count.rows - count.keys
        rows.append((f"{source}.one_row_a_{GRAINS[source]}", count.rows, count.keys, 0, extra, count.conflicts))
    matched = sum(user in extents and extents[user][0] <= day <= extents[user][1] for user, day in slept)
    rows.append(("sleep.between_first_and_last_activity", len(slept), matched, len(slept) - matched, 0, 0))
    columns = ["rule", "rows_in", "rows_out", "rows_rejected", "rows_deduplicated", "overlap_conflicts"]
    return pd.DataFrame(rows, columns=columns)
