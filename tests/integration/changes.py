"""Random changes to what is loaded of a study."""

from collections.abc import Callable
from typing import Any, Protocol

import pandas as pd

from tests.integration.study import DAYS, Study


class Loads(Protocol):
    """Where files are loaded: a warehouse, or several."""

    def put(self, source: str, name: str, rows: pd.DataFrame, device: str = ...) -> None:
        """Load rows as the content of a file of a device, in place of its former content."""

    def retract(self, source: str, name: str) -> None:
        """Remove a file's rows from raw."""

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows."""


FIRST_DAYS = 45


def load_first(study: Study, warehouse: Loads) -> None:
    """Load exports of all kinds, until day 45."""
    until = FIRST_DAYS
    warehouse.put("daily_activity", "daily_activity_045.csv", study.activity(0, until))
    warehouse.put("sleep", "sleep_045.csv", study.sleep(0, until))
    warehouse.put("hourly_steps", "hourly_steps_045.csv", study.hourly(20, until + 2))
    # days after the last of the daily files
    warehouse.put("minute_activity", "minutes_045.csv", study.minutes(until, until + 3, study.people[5:8]))
    warehouse.put("heart_rate", "heart_rate_045.csv", study.heart(30, until, study.people[2:5]))
    warehouse.put("sync_events", "sync_events_045.csv", study.syncs(0, until, study.people[1:]))
    warehouse.put("battery", "battery_045.csv", study.charges(0, until, study.people[2:]))


class Changes:
    """Random changes to what is loaded, each kind as often as the others.

    Arguments:
        study: makes the exports.
        warehouse: where they are loaded.
        until: how many days the exports have reached.

    """

    def __init__(self, study: Study, warehouse: Loads, until: int) -> None:
        self.study, self.warehouse, self.random, self.until = study, warehouse, study.random, until
        kinds = [
            self.next,
            self.next,
            self.late,
            self.measures,
            self.minutes,
            self.device,
            self.wear,
            self.periods,
            self.heart,
            self.syncs,
        ]
        self._kinds = [*kinds, self.roster, self.correction, self.retraction]
        self._left = list[Callable[[], None]]()

    def some(self) -> None:
        """Make one to four changes."""
        for _ in range(int(self.random.integers(1, 5))):
            self.one()

    def one(self) -> None:
        if not self._left:
            self._left = [self._kinds[number] for number in self.random.permutation(len(self._kinds))]
        self._left.pop()()

    def next(self) -> None:
        begin = self.until - int(self.random.integers(0, 3))
        self.until = min(self.until + int(self.random.integers(1, 15)), DAYS)
        for source, chance in (("daily_activity", 1), ("hourly_steps", 0.5), ("sleep", 0.7)):
            if self.random.random() < chance:
                self.warehouse.put(
                    source, f"{source}_{self.until:03}.csv", self.study.export(source, begin, self.until)
                )

    def late(self) -> None:
        begin, end, people = self._some(3, 20)
        name = f"daily_activity_late_{begin:03}.csv"
        self.warehouse.put("daily_activity", name, self.study.activity(begin, end, people))

    def measures(self) -> None:
        begin, end, _ = self._some(1, 12)
        for number, frame in enumerate(self.study.single_measures(begin, end)):
            self.warehouse.put("daily_activity", f"measure_{number}_{begin:03}.csv", frame)

    def minutes(self) -> None:
        begin, end, people = self._some(2, 4)
        for measure in ("steps", "calories"):
            frame = self.study.minutes(begin, end, people, measure)
            self.warehouse.put("minute_activity", f"{measure}_{begin:03}.csv", frame)

    def device(self) -> None:
        begin, end, people = self._some(4, 20)
        device = str(self.random.choice(["Garmin", "Oura"]))
        name = f"{device}_{begin:03}.csv"
        self.warehouse.put("daily_activity", name, self.study.activity(begin, end, people), device)
        if self.random.random() < 0.5:
            self.warehouse.put("hourly_steps", name, self.study.hourly(begin, end), device)
        if self.random.random() < 0.5:
            self.warehouse.put("wear_time", name, self.study.worn(begin, end, people), device)

    def wear(self) -> None:
        begin, end, people = self._some(6, 15)
        self.warehouse.put("wear_time", f"wear_{begin:03}.csv", self.study.worn(begin, end, people))

    def heart(self) -> None:
        begin, end, people = self._some(4, 8)
        self.warehouse.put("heart_rate", f"heart_{begin:03}.csv", self.study.heart(begin, end, people))

    def syncs(self) -> None:
        begin = int(self.random.integers(0, self.until))
        people = [str(person) for person in self.random.choice(self.study.people, 9, replace=False)]
        self.warehouse.put("sync_events", f"syncs_{begin:03}.csv", self.study.syncs(begin, self.until, people))
        self.warehouse.put("battery", f"battery_{begin:03}.csv", self.study.charges(begin, self.until, people))

    def periods(self) -> None:
        begin, end, people = self._some(6, 10)
        device = str(self.random.choice(["Fitbit", "Whoop"]))
        frame = self.study.periods(begin, end, people)
        self.warehouse.put("sleep_records", f"periods_{device}_{begin:03}.csv", frame, device)

    def roster(self) -> None:
        for source in ("identifiers", "participants"):
            if self.random.random() < 0.8:
                name = f"{source}_{self.random.integers(3)}.csv"
                self.warehouse.put(source, name, self.study.export(source, 0, self.until))

    def correction(self) -> None:
        source, name, device = self._loaded()
        begin = int(self.random.integers(0, self.until))
        self.warehouse.put(source, name, self.study.export(source, begin, begin + 10), device)

    def retraction(self) -> None:
        source, name, _ = self._loaded()
        self.warehouse.retract(source, name)

    def _some(self, people: int, days: int) -> tuple[int, int, list[str]]:
        """Return a range of at most so many days, and some people."""
        begin = int(self.random.integers(0, self.until))
        chosen = self.random.choice(self.study.people, people, replace=False)
        return begin, begin + int(self.random.integers(1, days)), [str(person) for person in chosen]

    def _loaded(self) -> tuple[str, str, str]:
        """Return the dataset, name and device of a file that is loaded."""
        files = self.warehouse.execute(
            "select source, source_filename, device from ops.raw_ingest_manifest where status = 'loaded' order by 1, 2"
        )
        source, name, device = files[self.random.integers(len(files))]
        return source, name, device
