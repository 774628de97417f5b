"""Whom to call, and whether it is the device: rpt_follow_up."""

import math
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

import pandas as pd

from tests.integration.oracle.rows import DAY

ORDER = ["not_synchronising", "never_started", "stopped", "wearing_less", "moving_less"]
REASONS = {status: status for status in ORDER[1:4]} | {"declining": "moving_less"}


@dataclass(frozen=True)
class Device:
    """What is known of a participant's device.

    Arguments:
        synced: the days on which it synchronised.
        charges: the readings of its battery, each with its moment, per cent and word.
        latest_worn: the last day with 100 steps, of all days loaded.

    """

    synced: set[date]
    charges: list[dict[str, Any]]
    latest_worn: date | None

    def last_sync(self) -> date | None:
        return max(self.synced, default=None)

    def last_charge(self) -> dict[str, Any]:
        nothing = {"level_percent": None, "state": None, "read_at": None}
        if not self.charges:
            return nothing

        def precedence(row: dict[str, Any]) -> tuple[Any, ...]:
            percent = -1 if pd.isna(row["level_percent"]) else row["level_percent"]
            return (row["read_at"], row["file_name"].encode(), percent, row["state"].encode())

        latest = max(self.charges, key=precedence)
        return {name: None if pd.isna(latest[name]) else latest[name] for name in nothing}

    def ends_with_sync(self) -> bool:
        """Tell whether no day was worn after the one that follows the last synchronisation."""
        last = self.last_sync()
        return last is None or self.latest_worn is None or self.latest_worn <= last + DAY

    def is_empty(self) -> bool:
        """Tell whether the charge was low around the last synchronisation."""
        last, charge = self.last_sync(), self.last_charge()
        if last is None or charge["read_at"] is None or charge["read_at"].date() < last - 2 * DAY:
            return False
        percent = charge["level_percent"]
        return (percent is not None and percent <= 20) or charge["state"].lower() in ("low", "empty")


def devices_of(
    answer: dict[str, pd.DataFrame], syncs: pd.DataFrame, charges: pd.DataFrame, meaning: dict[str, str]
) -> dict[str, Device]:
    """Return what is known of the device of each participant.

    Arguments:
        answer: has fct_user_day.
        syncs: the raw synchronisations.
        charges: the raw readings of batteries.
        meaning: whom each identifier means.

    """
    synced: dict[str, set[date]] = {}
    for row in syncs.to_dict("records"):
        synced.setdefault(meaning.get(row["user_id"], row["user_id"]), set()).add(row["synced_at"].date())
    read: dict[str, list[dict[str, Any]]] = {}
    for row in charges.to_dict("records"):
        read.setdefault(meaning.get(row["user_id"], row["user_id"]), []).append(
            {str(name): value for name, value in row.items()}
        )
    days = answer["fct_user_day"]
    is_worn = days["steps"] >= 100
    latest = days[is_worn].groupby("user_id")["activity_date"].max()
    worn: dict[str, date] = {str(user): day for user, day in latest.items()}
    return {
        user: Device(synced.get(user, set()), read.get(user, []), worn.get(user))
        for user in synced.keys() | read.keys() | worn.keys()
    }


def follow_up(answer: dict[str, pd.DataFrame], devices: dict[str, Device], as_of: date) -> dict[str, pd.DataFrame]:
    """Return rpt_follow_up, from fct_user_status and dim_participant, or nothing if there is nobody to call.

    Arguments:
        answer: the other marts.
        devices: what is known of the device of each participant.
        as_of: the day of the list.

    """
    statuses = answer["fct_user_status"]
    histories = {user: rows.sort_values("as_of_date") for user, rows in statuses.groupby("user_id")}
    listed = answer["dim_participant"]
    synced_until = min(max((max(device.synced) for device in devices.values() if device.synced), default=as_of), as_of)
    rows = []
    for person in listed.astype(object).where(listed.notna(), None).to_dict("records"):
        user = person["user_id"]
        history = histories.get(user)
        if history is None or history["as_of_date"].iloc[-1] != as_of:
            continue
        if person["enrolled_on"] and person["enrolled_on"] > as_of:
            continue
        device = devices.get(user, Device(set(), [], None))
        row = one(history.astype(object).where(history.notna(), None), device, as_of, synced_until)
        if row:
            of_roster = {name: person[name] for name in ("arm", "site", "last_record_date")}
            rows.append({"user_id": user, "as_of_date": as_of, **of_roster, **row})
    rows.sort(
        key=lambda row: (
            (as_of - row["said_on"]).days >= 14,
            ORDER.index(row["reason"]),
            (as_of - row["said_on"]).days,
            sha256(row["user_id"].encode()).hexdigest(),
        )
    )
    frame = pd.DataFrame([{"position": number, **row} for number, row in enumerate(rows, start=1)])
    return {"rpt_follow_up": frame} if rows else {}


def one(history: pd.DataFrame, device: Device, as_of: date, synced_until: date) -> dict[str, Any] | None:
    """Return what there is to ask one participant, or None.

    Arguments:
        history: the statuses of the participant, the latest last.
        device: what is known of the device.
        as_of: the day of the list.
        synced_until: the last day up to which synchronisations are known.

    """
    status = history.to_dict("records")[-1]
    reason = REASONS.get(status["status"])
    said = as_of
    for day, name in zip(history["as_of_date"][::-1], history["status"][::-1], strict=True):
        if name != status["status"]:
            break
        said = day
    since = status["since_date"] or said
    evidence, threshold = status["evidence"], status["threshold"]
    last = device.last_sync()
    is_silent = last is not None and device.ends_with_sync() and (synced_until - last).days >= 5
    if status["status"] in ("withdrawn", "completed"):
        return None
    if reason == "never_started":
        evidence, threshold = (as_of - since).days, 7
    elif last and is_silent and not (reason == "stopped" and said <= last):
        reason = "not_synchronising"
        since, said = last + DAY, last + 5 * DAY
        evidence, threshold = (as_of - last).days, 5
    if reason is None:
        return None
    charge = device.last_charge()
    return {
        "reason": reason,
        "status": status["status"],
        "wearing_less_by": status["wearing_less_by"],
        "since_date": since,
        "said_on": said,
        "certainty": certainty(reason, status["wearing_less_by"], evidence, threshold),
        "evidence": evidence,
        "threshold": threshold,
        "cause": cause(reason, (since, said), device, as_of, synced_until),
        "last_sync_date": last,
        "battery_percent": math.nan if charge["level_percent"] is None else charge["level_percent"],
        "battery_state": charge["state"],
        "battery_read_date": charge["read_at"] and charge["read_at"].date(),
        "last_valid_date": status["last_valid_date"],
        "last_worn_date": status["last_worn_date"],
        "usual_steps": status["start_median_steps"],
        "recent_steps": status["recent_median_steps"],
    }


def certainty(reason: str, by: str | None, evidence: float, threshold: float) -> str:
    if reason in ORDER[:3] or by == "no_valid_day":
        return "counted"
    if by == "fewer_hours":
        return "clear" if evidence <= threshold / 1.5 else "likely"
    if evidence >= 1.5 * threshold:
        return "clear"
    return "likely" if evidence >= threshold else "fading"


def cause(reason: str, begun: tuple[date, date], device: Device, as_of: date, synced_until: date) -> str | None:
    since, said = begun
    silent = "battery_low" if device.is_empty() else "not_synchronised"
    if reason == "moving_less":
        return None
    if reason == "not_synchronising":
        return silent
    last = device.last_sync()
    if last is None:
        return "unknown"
    days = [since + number * DAY for number in range((as_of - since).days + 1)]
    seen = sum(day <= last for day in days)
    if said <= last or seen > len(days) - seen:
        return "not_worn"
    after = [last + number * DAY for number in range(1, (as_of - last).days + 1)]
    known = sum(day <= synced_until for day in after)
    return silent if device.ends_with_sync() and known > len(after) - known else "unknown"
