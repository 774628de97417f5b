"""Generate sample_data/: a study of four months with 37 invented participants, the same bytes every time.

Usage: python -m scripts.generate_sample_data [--output DIR] [--seed NUMBER]
"""
# ruff: noqa: PLR2004, S311  # invented numbers, and randomness that must be repeatable

import argparse
import csv
import datetime as dt
import struct
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from random import Random

from ingestion.sources import Dataset, dataset_named
from scripts.sample_study import Member, write_study

DAILY_ACTIVITY = dataset_named("daily_activity")
SLEEP = dataset_named("sleep")

SEED = 20260101
DAYS_OF_EMPTY_ROWS = 14  # how long exports contain a device that nobody wears
MOST_STEPS_UNWORN = 60  # somebody moved the device

PEOPLE = {
    "steady": 5,
    "finished": 3,  # steady until the last planned day
    "withdrawn": 1,  # steady until the withdrawal
    "unsynced": 1,  # steady until the device stops synchronising
    "empty_battery": 1,  # the same, because its battery is empty
    "unworn": 1,  # steady, then the device is not worn any more
    "increasing": 4,
    "declining": 6,  # wear the device as before, move less
    "wearing_less": 4,  # move as before, wear the device on fewer days
    "stopped": 4,
    "returned": 4,
    "new": 2,  # have too few days for a baseline
}

# The day of each export and its files. That day is incomplete; the next export contains it again, completely.
FIRST_DAY = dt.date(2026, 1, 1)
EXPORTS = {
    dt.date(2026, 2, 1): ("2026-01/dailyActivity_merged.csv", "2026-01/sleepDay_merged.csv"),
    dt.date(2026, 3, 1): ("2026-02/dailyActivity_merged.csv", "2026-02/sleepDay_merged.csv"),
    dt.date(2026, 4, 1): ("daily_activity_2026-04-01.csv", "sleep_2026-04-01.csv"),
    dt.date(2026, 4, 30): ("daily_activity_2026-04-30.csv", "sleep_2026-04-30.csv"),
}
# the last day of data, if it is not that of the last export
LAST_DAYS = {
    "finished": dt.date(2026, 3, 31),
    "withdrawn": dt.date(2026, 3, 12),
    "unsynced": dt.date(2026, 4, 21),
    "empty_battery": dt.date(2026, 4, 18),
}


@dataclass(frozen=True)
class Person:
    """A participant and how they use their device."""

    user_id: int
    kind: str
    usual_steps: float
    km_per_step: float
    resting_calories: int
    change_at: float
    forgets: float
    tracks_sleep: bool
    has_single_precision: bool

    def habit(self, progress: float) -> tuple[float, float]:
        """Return how much they move, relative to their usual, and the probability that they wear the device.

        Arguments:
            progress: the time since the first day, from 0 to 1.

        """
        since_change = max(0.0, progress - self.change_at)
        activity = {
            "increasing": 0.85 + 0.5 * progress,
            "declining": 1 - since_change,
        }.get(self.kind, 1)
        wears = {
            "wearing_less": max(0.15, 0.97 - 2 * since_change),
            "stopped": 0.97 * (since_change == 0),
            "unworn": 0.97 * (progress < 0.92),
            "returned": 0.97 * (not 0 < since_change < 0.2),
            "new": 0.97 * (progress > 0.93),
        }.get(self.kind, 0.97)
        return activity, wears


@dataclass(frozen=True)
class Activity:
    """A day of a participant, in the order of the export's columns."""

    steps: int
    total_km: float
    tracker_km: float
    logged_km: float
    very_active_km: float
    moderately_active_km: float
    light_active_km: float
    sedentary_km: float
    very_active_minutes: int
    fairly_active_minutes: int
    lightly_active_minutes: int
    sedentary_minutes: int
    calories: int

    def until(self, share: float) -> "Activity":
        """Return the part of the day that an export contains after this share of the day."""
        values = {field.name: getattr(self, field.name) * share for field in fields(self)}
        return Activity(**{name: value if "km" in name else int(value) for name, value in values.items()})


@dataclass(frozen=True)
class Night:
    """The sleep of a participant that ended on a day, in the order of the export's columns."""

    records: int
    minutes_asleep: int
    minutes_in_bed: int


def people(seed: int) -> Iterator[tuple[Person, Random]]:
    """Yield each participant with a random generator of their own."""
    kinds = [kind for kind, count in PEOPLE.items() for _ in range(count)]
    random = Random(f"{seed}:people")
    ids = sorted(random.randrange(4_300_000_000, 9_000_000_000) for _ in kinds)
    random.shuffle(kinds)
    for user_id, kind in zip(ids, kinds, strict=True):
        own = Random(f"{seed}:{user_id}")
        yield (
            Person(
                user_id=user_id,
                kind=kind,
                usual_steps=own.uniform(4_000, 13_000),
                km_per_step=own.uniform(0.00064, 0.00078),
                resting_calories=own.randint(1_300, 1_900),
                change_at=own.uniform(0.45, 0.65),
                forgets=own.choice((0.0, 0.0, 0.01, 0.04)),
                tracks_sleep=own.random() < 0.7,
                has_single_precision=own.random() < 0.5,
            ),
            own,
        )


def worn_day(person: Person, day: dt.date, activity: float, random: Random) -> Activity:
    """Invent a day on which the device was worn."""
    weekday = (1.0, 1.02, 1.0, 1.03, 1.06, 1.1, 0.8)[day.weekday()]
    steps = min(32_000, int(person.usual_steps * activity * weekday * random.lognormvariate(0, 0.22)))
    km = steps * person.km_per_step
    very_active_km = km * random.uniform(0, 0.4) * (random.random() < 0.7)
    moderately_active_km = km * random.uniform(0, 0.15)
    light_active_km = km - very_active_km - moderately_active_km
    minutes = (round(very_active_km * 11), round(moderately_active_km * 20), round(light_active_km * 42))
    in_bed = random.randint(380, 520) if random.random() < 0.75 else 0
    return Activity(
        steps,
        km,
        km,
        random.uniform(1, 4) if random.random() < 0.02 else 0,
        very_active_km,
        moderately_active_km,
        light_active_km,
        0.01 * (random.random() < 0.05),
        *minutes,
        max(0, 1440 - sum(minutes) - in_bed),
        person.resting_calories + int(steps * 0.07) + 4 * minutes[0],
    )


def unworn_day(person: Person, random: Random) -> Activity:
    """Invent a day on which the device was not worn: usually zeros and 1440 sedentary minutes."""
    nothing = Activity(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1440, person.resting_calories)
    match random.randrange(12):
        case 0:
            return replace(nothing, sedentary_minutes=random.randint(700, 1439))
        case 1:
            return replace(nothing, steps=random.randint(4, MOST_STEPS_UNWORN))
        case _:
            return nothing


def night(random: Random) -> Night:
    """Invent a night's sleep, sometimes with one or two naps."""
    asleep = max(60, int(random.gauss(415, 60)))
    records = random.choices((1, 2, 3), (88, 11, 1))[0]
    asleep = min(900, asleep + 35 * (records - 1))
    return Night(records, asleep, asleep + random.randint(8, 60))


def history(person: Person, random: Random) -> dict[dt.date, tuple[Activity, Night | None]]:
    """Invent the days of four months."""
    days: dict[dt.date, tuple[Activity, Night | None]] = {}
    unworn = DAYS_OF_EMPTY_ROWS  # exports begin when the device is first worn
    length = (max(EXPORTS) - FIRST_DAY).days
    for number in range(length + 1):
        day = FIRST_DAY + dt.timedelta(days=number)
        activity, wears = person.habit(number / length)
        is_worn = random.random() < wears
        unworn = 0 if is_worn else unworn + 1
        if unworn > DAYS_OF_EMPTY_ROWS or random.random() < person.forgets:
            continue
        if is_worn:
            sleeps = person.tracks_sleep and random.random() < 0.8
            days[day] = worn_day(person, day, activity, random), night(random) if sleeps else None
        else:
            days[day] = unworn_day(person, random), None
    return days


def activity_row(person: Person, day: dt.date, activity: Activity) -> list[str]:
    """Return a day as the export writes it; some devices write the noise of single precision."""
    texts = (
        f"{as_single_precision(value) if person.has_single_precision else round(value, 2):.15g}"
        for value in astuple(activity)
    )
    return [str(person.user_id), us_date(day), *texts]


def sleep_row(person: Person, day: dt.date, sleep: Night) -> list[str]:
    """Return a night as the export writes it."""
    return [str(person.user_id), f"{us_date(day)} 12:00:00 AM", *map(str, astuple(sleep))]


def us_date(day: dt.date) -> str:
    """Return the date as M/D/YYYY without padding."""
    return f"{day.month}/{day.day}/{day.year}"


def as_single_precision(value: float) -> float:
    """Return a value rounded to two decimals as a 32-bit float: 6.06 becomes 6.05999994277954."""
    rounded: float = struct.unpack("f", struct.pack("f", round(value, 2)))[0]
    return rounded


def write(path: Path, dataset: Dataset, rows: list[list[str]], random: Random) -> None:
    """Write a file with up to three of its rows twice."""
    repeated = {random.randrange(len(rows)) for _ in range(3)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        # the columns that most exports have stand first
        writer.writerow([column.header for column, _ in zip(dataset.columns, rows[0], strict=False)])
        for number, row in enumerate(rows):
            writer.writerows([row] * (1 + (number in repeated)))


def generate(output: Path, seed: int = SEED) -> None:
    """Write all files into the folder `output`."""
    everyone = [(person, history(person, random)) for person, random in people(seed)]
    random = Random(f"{seed}:drops")
    for first, last in pairwise((FIRST_DAY, *EXPORTS)):
        activity_name, sleep_name = EXPORTS[last]
        activity_rows: list[list[str]] = []
        sleep_rows: list[list[str]] = []
        for person, days in everyone:
            for day, (activity, sleep) in days.items():
                if first <= day <= last:
                    # drawn for who is gone, too, so that the rows of all others stay the same
                    seen = activity.until(random.uniform(0.2, 0.45)) if day == last else activity
                    if day > LAST_DAYS.get(person.kind, last):
                        continue
                    activity_rows.append(activity_row(person, day, seen))
                    if sleep:
                        sleep_rows.append(sleep_row(person, day, sleep))
        write(output / activity_name, DAILY_ACTIVITY, activity_rows, random)
        write(output / sleep_name, SLEEP, sleep_rows, random)
    members = [
        Member(person.user_id, person.kind, worn_days(person, days), LAST_DAYS.get(person.kind))
        for person, days in everyone
    ]
    write_study(output, members, max(EXPORTS), seed)


def worn_days(person: Person, days: dict[dt.date, tuple[Activity, Night | None]]) -> set[dt.date]:
    """Return the days on which the device was worn and the export has it."""
    last = LAST_DAYS.get(person.kind, max(EXPORTS))
    return {day for day, (activity, _) in days.items() if activity.steps > MOST_STEPS_UNWORN and day <= last}


def main() -> None:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / "sample_data")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    generate(arguments.output, arguments.seed)


if __name__ == "__main__":
    main()
