"""A seeded study for tests of several loads: participants have gaps, pause, lapse, vanish and return."""

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

DAYS = 100
# as studies write them; some differ only in case, zeros or blanks, and are different people
LABELS = [
    "4000000000",
    "P-017",
    "p-017",
    "007",
    "7",
    "P 17",
    "5f3a9c0e41",
    "Ä/1",
    "10",
    "9",
    "a,b",
    "1e5",
    "-1",
    "S.02",
]


class Study:
    """The exports of each participant's device for any range of days."""

    def __init__(self, number: int, people: int, start: date) -> None:
        self.random = np.random.default_rng(number)
        self.start = start
        self.people = LABELS[:people]
        random = self.random
        self.level = dict(zip(self.people, random.integers(60, 16000, people), strict=True))
        self.trend = dict(zip(self.people, random.choice([-0.01, 0, 0, 0.01], people), strict=True))
        self.wear = dict(zip(self.people, random.choice([1.0, 0.95, 0.8, 0.4], people), strict=True))
        self.first = dict(zip(self.people, random.integers(0, 40, people), strict=True))
        self.last = dict(zip(self.people, random.choice([DAYS, DAYS, 50, 70, 41], people), strict=True))
        # few distinct values make ties and MADs of 0
        self.grain = dict(zip(self.people, random.choice([1, 1, 500, 4000], people), strict=True))
        self.silent = {person: self.last[person] + int(random.choice([-8, 0, 1, 6, DAYS])) for person in self.people}

    def export(self, source: str, begin: int, end: int) -> pd.DataFrame:
        exports: dict[str, Any] = {
            "participants": self.participants,
            "identifiers": self.identifiers,
            "daily_activity": lambda: self.activity(begin, end),
            "sleep": lambda: self.sleep(begin, end),
            "hourly_steps": lambda: self.hourly(begin, end),
            "minute_activity": lambda: self.minutes(begin, min(end, begin + 3), self.people[:2]),
            "wear_time": lambda: self.worn(begin, end, self.people[:5]),
            "heart_rate": lambda: self.heart(begin, min(end, begin + 3), self.people[:2]),
            "sleep_records": lambda: self.periods(begin, end, self.people[:5]),
            "sync_events": lambda: self.syncs(begin, end, self.people),
            "battery": lambda: self.charges(begin, end, self.people),
        }
        frame: pd.DataFrame = exports[source]()
        return frame

    def activity(self, begin: int, end: int, people: list[str] | None = None) -> pd.DataFrame:
        rows: list[tuple[str | int, ...]] = []
        for person in people or self.people:
            for day in range(max(begin, self.first[person]), min(end, self.last[person])):
                if self.random.random() > self.wear[person]:
                    if self.random.random() < 0.5:
                        rows.append((person, day, 0, 0, 0, 1440, 1500))
                    continue
                wave = self.level[person] * (1 + self.trend[person] * day) * self.random.lognormal(0, 0.5)
                steps = int(wave) // self.grain[person] * self.grain[person]
                if self.random.random() < 0.01:
                    steps = int(self.random.choice([99, 100, 45000, 45001, 70000]))
                part = 0.3 if day == end - 1 else 1.0
                very, fairly = (int(minutes) for minutes in self.random.integers(0, 40, 2))
                sitting = int(self.random.integers(500, 900))
                rows.append((person, day, int(steps * part), very, fairly, sitting, 1500 + steps // 25))
        frame = pd.DataFrame(
            rows,
            columns=[
                *("user_id", "activity_date", "total_steps", "very_active_minutes", "fairly_active_minutes"),
                *("sedentary_minutes", "calories"),
            ],
        )
        frame["activity_date"] = self._timestamps(frame["activity_date"])
        missing = self.random.random(len(frame)) < 0.01
        frame["total_steps"] = frame["total_steps"].astype("Int64").mask(missing)
        return self._with_repeats(frame)

    def sleep(self, begin: int, end: int) -> pd.DataFrame:
        rows = [
            (person, day, int(self.random.integers(1, 4)), asleep, asleep + int(self.random.integers(-3, 60)))
            for person in self.people[::2]
            for day in range(max(begin, self.first[person] - 2), min(end, self.last[person]))
            if self.random.random() < self.wear[person]
            for asleep in [int(self.random.integers(0, 600))]
        ]
        columns = ["user_id", "sleep_day", "total_sleep_records", "total_minutes_asleep", "total_time_in_bed"]
        frame = pd.DataFrame(rows, columns=columns)
        frame["total_time_in_bed"] = frame["total_time_in_bed"].clip(lower=0)
        frame["sleep_day"] = self._timestamps(frame["sleep_day"])
        return self._with_repeats(frame)

    def hourly(self, begin: int, end: int) -> pd.DataFrame:
        """Steps by hour of three people."""
        rows = [
            (
                person,
                str(datetime.combine(self.start + timedelta(day), datetime.min.time()) + timedelta(hours=hour)),
                steps,
            )
            for person in self.people[:3]
            for day in range(begin, end)
            for hour in range(24)
            if self.random.random() < 0.9
            for steps in [int(self.random.choice([0, 0, 40, 900]))]
        ]
        return self._with_repeats(pd.DataFrame(rows, columns=["user_id", "activity_hour", "step_total"]))

    def single_measures(self, begin: int, end: int) -> list[pd.DataFrame]:
        """The activity of everybody in three files of one or some measures each."""
        whole = self.activity(begin, end)
        measures = (
            ["total_steps"],
            ["very_active_minutes", "fairly_active_minutes", "sedentary_minutes"],
            ["calories"],
        )
        return [
            whole[["user_id", "activity_date", *names]].sample(
                frac=0.9, random_state=int(self.random.integers(1 << 30))
            )
            for names in measures
        ]

    def minutes(self, begin: int, end: int, people: list[str], measure: str = "steps") -> pd.DataFrame:
        """One measure every twenty minutes, of a watch and a telephone that both count."""
        rows = [
            (person, self._moment(day, minutes=minute, seconds=second), amount, recorder)
            for person in people
            for day in range(begin, end)
            for minute in range(420, 1200, 20)
            for recorder, second in ((None, 0), ("Google Fitbit Air", 0), ("Phone Health Kit", 3))
            if self.random.random() < 0.5
            for amount in [int(self.random.integers(0, 300))]
        ]
        return self._with_repeats(pd.DataFrame(rows, columns=["user_id", "activity_minute", measure, "recorded_by"]))

    def worn(self, begin: int, end: int, people: list[str]) -> pd.DataFrame:
        """The wear time by day, with zeros before the first day of a person."""
        rows = [
            (person, self._moment(day), int(self.random.integers(1, 1440)) if day >= self.first[person] else 0)
            for person in people
            for day in range(begin, end)
        ]
        return self._with_repeats(pd.DataFrame(rows, columns=["user_id", "wear_date", "minutes_worn"]))

    def heart(self, begin: int, end: int, people: list[str]) -> pd.DataFrame:
        """The heart rate every minute, every other one or every five, with moments without one."""
        rows = [
            (person, self._moment(day, minutes=minute, seconds=int(self.random.choice([0, 5]))), rate)
            for person in people
            for day in range(begin, end)
            for every, first, length in [
                (int(self.random.choice([1, 1, 2, 5])), *(int(part) for part in self.random.integers(1, 700, 2)))
            ]
            for minute in range(first, first + length, every)
            for rate in [int(self.random.choice([0, 60, 61]))]
        ]
        frame = pd.DataFrame(rows, columns=["user_id", "measured_at", "beats_per_minute"])
        missing = self.random.random(len(frame)) < 0.01
        frame["beats_per_minute"] = frame["beats_per_minute"].astype("Int64").mask(missing)
        return self._with_repeats(frame)

    def periods(self, begin: int, end: int, people: list[str]) -> pd.DataFrame:
        """Main sleeps over midnight and naps, some without the day that they count to."""
        rows = [
            (
                person,
                self._moment(day, minutes=minute),
                self._moment(day, minutes=minute + asleep + 10),
                self._moment(day + (minute > 1000)) if self.random.random() < 0.7 else None,
                minute > 1000 if self.random.random() < 0.9 else None,
                asleep,
                asleep + 10,
                asleep // 3 if minute > 1000 else None,
            )
            for person in people
            for day in range(begin, end)
            for minute in (780, 1380)
            if self.random.random() < 0.6
            for asleep in [int(self.random.integers(20, 480))]
        ]
        names = [
            "started_at",
            "ended_at",
            "sleep_day",
            "is_main_sleep",
            "minutes_asleep",
            "minutes_in_bed",
            "minutes_deep",
        ]
        frame = pd.DataFrame(rows, columns=["user_id", *names])
        frame["minutes_deep"] = frame["minutes_deep"].astype("Int64")
        return self._with_repeats(frame)

    def syncs(self, begin: int, end: int, people: list[str]) -> pd.DataFrame:
        """When devices synchronised; those of some fall silent before the last day worn, on it or later."""
        rows = [
            (person, self._moment(day, minutes=int(minute)))
            for person in people
            for day in range(begin, min(end, self.silent[person]))
            if self.random.random() < 0.7
            for minute in self.random.integers(0, 1440, 2)
        ]
        return self._with_repeats(pd.DataFrame(rows, columns=["user_id", "synced_at"]))

    def charges(self, begin: int, end: int, people: list[str]) -> pd.DataFrame:
        """The charge by day in the device's word, some also in per cent."""
        rows = [
            (person, self._moment(day, minutes=600), percent if self.random.random() < 0.7 else None, state)
            for person in people
            for day in range(begin, min(end, self.silent[person]))
            if self.random.random() < 0.5
            for state in [str(self.random.choice(["High", "Medium", "Low", "Empty"]))]
            for percent in [int(self.random.integers(0, 100))]
        ]
        frame = pd.DataFrame(rows, columns=["user_id", "read_at", "level_percent", "state"])
        frame["level_percent"] = frame["level_percent"].astype("Int64")
        return self._with_repeats(frame)

    def identifiers(self) -> pd.DataFrame:
        """Whom some labels mean: a name, another label of the study, or two at once."""
        labels = list(self.random.choice(self.people, 4, replace=False))
        users = list(self.random.choice(["S-1", "S-2", *self.people], 4))
        rows = [*zip(labels, users, strict=True), ("in no file", "S-1")]
        if self.random.random() < 0.5:
            rows.append((labels[0], "S-3"))
        return pd.DataFrame(rows, columns=["identifier", "user_id"])

    def participants(self) -> pd.DataFrame:
        """A roster of some of the people, and of two whom no file names; dates may be unknown."""
        listed = ["S-1", "never came", *self.random.choice(self.people, 5, replace=False)]
        rows = []
        for user in listed:
            enrolled_on = self.start + timedelta(int(self.random.integers(-10, DAYS + 20)))
            rows.append(
                (
                    user,
                    enrolled_on if self.random.random() < 0.8 else None,
                    enrolled_on + timedelta(60) if self.random.random() < 0.7 else None,
                    enrolled_on + timedelta(int(self.random.integers(10, 70))) if self.random.random() < 0.3 else None,
                    # an arm or site called "all" is none
                    self._one_of("control", "active", "active", "all", None),
                    self._one_of("Zürich", "Wien", "all", None),
                    *(self.random.choice(["Europe/Zurich", "UTC"]), self.random.choice(["Fitbit", "Oura"])),
                )
            )
        columns = ["user_id", "enrolled_on", "ends_on", "withdrawn_on", "arm", "site", "time_zone", "device"]
        return pd.DataFrame(rows, columns=columns)

    def _one_of(self, *values: str | None) -> str | None:
        return values[int(self.random.integers(len(values)))]

    def _moment(self, day: int, minutes: int = 0, seconds: int = 0) -> str:
        midnight = datetime.combine(self.start + timedelta(day), datetime.min.time())
        return str(midnight + timedelta(minutes=minutes, seconds=seconds))

    def _timestamps(self, days: "pd.Series[int]") -> "pd.Series[str]":
        return pd.Series([str(datetime.combine(self.start + timedelta(int(day)), datetime.min.time())) for day in days])

    def _with_repeats(self, frame: pd.DataFrame) -> pd.DataFrame:
        repeats = frame.sample(min(3, len(frame)), random_state=int(self.random.integers(1 << 30)))
        return pd.concat([frame, repeats], ignore_index=True)
