"""The study around the exports of sample_data/: its roster, and what Fitabase knows of the devices."""
# ruff: noqa: PLR2004, S311  # invented numbers, and randomness that must be repeatable

import csv
import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TextIO

ARMS = ("intervention", "control")
SITES = {"Vienna": 16, "Graz": 13, "Linz": 8}
# this site exports no synchronisations
WITHOUT_SYNCS = "Linz"
ENDS_ON = dt.date(2026, 6, 30)
NEVER_STARTED_ON = dt.date(2026, 4, 13)

TIME_ZONE = "Europe/Vienna"
DEVICES = ("Charge 6", "Inspire 3", "Versa 4")
_SUMMER_TIME = dt.date(2026, 3, 29)
_DAYS_OF_A_BATTERY = 6
_ROSTER = ("user_id", "enrolled_on", "ends_on", "withdrawn_on", "arm", "site", "time_zone", "device")
_SYNCS = ("Id", "DateTime", "SyncDateUTC", "Provider", "DeviceName")
_BATTERY = ("Id", "DateTime", "LevelPercent", "BatteryLevel", "DeviceName")


@dataclass(frozen=True)
class Member:
    """A participant of the study.

    Arguments:
        user_id: the id, which the exports have, too.
        kind: how they use their device.
        worn: the days on which they wore it.
        last_day: the day on which their part ends, or their device stopped synchronising; None if neither did.

    """

    user_id: int
    kind: str
    worn: Collection[dt.date]
    last_day: dt.date | None


@dataclass(frozen=True)
class Sync:
    """A synchronisation, and the charge of the device in percent."""

    at: dt.datetime
    charge: int


def write_study(output: Path, members: Sequence[Member], last_export: dt.date, seed: int) -> None:
    """Write the roster, the synchronisations and the charges of the batteries.

    Arguments:
        output: the folder.
        members: the participants with data. One more has none.
        last_export: the day of the last export.
        seed: the seed of the random numbers.

    """
    sites = _write_roster(output / "participants.csv", members, seed)
    with (
        _opened(output / f"sync_events_{last_export}.csv") as sync_file,
        _opened(output / f"battery_{last_export}.csv") as battery_file,
    ):
        syncs, battery = csv.writer(sync_file), csv.writer(battery_file)
        syncs.writerow(_SYNCS)
        battery.writerow(_BATTERY)
        for member in members:
            if sites[member.user_id] == WITHOUT_SYNCS:
                continue
            random = Random(f"{seed}:{member.user_id}:device")
            device = random.choice(DEVICES)
            known = list(_syncs(member, last_export, random))
            for number, sync in enumerate(known):
                local = us_time(sync.at)
                offset = dt.timedelta(hours=1 + (sync.at.date() >= _SUMMER_TIME))
                syncs.writerow((member.user_id, local, us_time(sync.at - offset), "Fitbit", device))
                if random.random() < 0.3 or number == len(known) - 1:
                    read_at = us_time(sync.at + dt.timedelta(minutes=random.randint(1, 9)))
                    battery.writerow((member.user_id, read_at, sync.charge, _level(sync.charge), device))


def _opened(path: Path) -> TextIO:
    return path.open("w", newline="", encoding="utf-8")


def _write_roster(path: Path, members: Sequence[Member], seed: int) -> Mapping[int, str]:
    """Write the roster, and return everybody's site."""
    random = Random(f"{seed}:study")
    never_started = random.randrange(4_300_000_000, 9_000_000_000)
    begins = {member.user_id: min(member.worn) for member in members} | {never_started: NEVER_STARTED_ON}
    sites = [site for site, people in SITES.items() for _ in range(people)]
    random.shuffle(sites)
    arms = [arm for _ in range(len(sites) // 2 + 1) for arm in random.sample(ARMS, 2)]
    by_id = {member.user_id: member for member in members}
    site_of = dict(zip(sorted(begins), sites, strict=True))
    with _opened(path) as file:
        writer = csv.writer(file)
        writer.writerow(_ROSTER)
        for user_id, arm in zip(sorted(begins), arms, strict=False):
            member = by_id.get(user_id)
            is_finished = member is not None and member.kind == "finished"
            ends_on = member.last_day if member and is_finished else ENDS_ON
            withdrawn_on = member.last_day if member and member.kind == "withdrawn" else None
            writer.writerow(
                (user_id, begins[user_id], ends_on, withdrawn_on or "", arm, site_of[user_id], TIME_ZONE, "Fitbit")
            )
    return site_of


def _syncs(member: Member, last_export: dt.date, random: Random) -> Iterator[Sync]:
    """Invent synchronisations: on most days, as long as the battery lasts."""
    charge = 100.0
    first, last = min(member.worn), member.last_day or last_export
    last_worn = first
    for number in range((last - first).days + 1):
        day = first + dt.timedelta(days=number)
        last_worn = day if day in member.worn else last_worn
        charge -= random.uniform(11, 17)
        is_running_out = member.kind == "empty_battery" and day > last - dt.timedelta(days=5)
        if charge < 25 and day in member.worn and random.random() < 0.8 and not is_running_out:
            charge = 100.0
        is_seen = random.random() < 0.6 or day == member.last_day
        at = dt.datetime.combine(day, dt.time(6 if day == last_export else random.randint(7, 22)))
        at += dt.timedelta(seconds=random.randint(0, 3599))
        if is_seen and (day - last_worn).days < _DAYS_OF_A_BATTERY:
            yield Sync(at, max(round(min(charge, 20) if is_running_out else charge), 2))


def _level(charge: int) -> str:
    return "High" if charge >= 60 else "Medium" if charge >= 25 else "Low"


def us_time(at: dt.datetime) -> str:
    """Return a time as M/D/YYYY h:mm:ss AM."""
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S} {'AM' if at.hour < 12 else 'PM'}"
