"""Simulated people of whom is known how they are: days of steps, hours where they matter, and a roster.

A person's steps of a day are level x weekday x wander x day, all positive:

- the level is what the truth says: it drops, falls slowly, dips, or stays;
- the weekday's factor is the person's own, with less on one end of the week;
- the wander is a slow autoregression of the logarithm (standard deviation 0.05, forgotten in some two months): nobody's
  level is a constant;
- the day is log-normal with a coefficient of variation between 0.3 and 0.7, of half of the people below
  0.42 (Fitabase's April export: quartiles 0.31, 0.40 and 0.49), and depends a little on the day before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

FIRST_DATE = date(2025, 1, 1)
WANDER_SD = 0.05
WANDER_DAYS = 60
CALM = 70  # no change before this day: everybody has shown what is usual
ROOM = 130  # and none in the last days, so that it can be seen whether a verdict lasts
DROP = 0.7

Floats = NDArray[np.float64]


@dataclass
class Course:
    """What is true of one person, day by day.

    Arguments:
        rng: where chance comes from.
        days: length of the study.
        level: factor of the usual steps.
        wears: probability that the device is worn.
        hours: mean hours worn a day; none: only totals of days are exported.
        state: the status that is right, "stable" unless a truth says otherwise. "passing" is a change that is real and
            short, or not the person's: no status is wrong, and none is right.
        onset: the day of the change, if there is one.
        first: the day of the first record; days: none.
        roster: dates of the roster, by column; none: not on it.

    """

    rng: Generator
    days: int
    level: Floats = field(init=False)
    wears: Floats = field(init=False)
    hours: Floats | None = None
    state: list[str] = field(init=False)
    onset: int | None = None
    first: int = 0
    roster: dict[str, int] | None = None

    def __post_init__(self) -> None:
        self.level = np.ones(self.days)
        self.wears = np.full(self.days, self.rng.uniform(0.85, 1.0))
        self.state = ["stable"] * self.days
        self.first = int(self.rng.integers(0, 10))

    def a_day(self, room: int = ROOM) -> int:
        """Return a day for a change."""
        return int(self.rng.integers(CALM, max(CALM + 1, self.days - room)))

    def become(self, state: str, begin: int, end: int | None = None) -> None:
        """Say what is right from a day to before another."""
        last = self.days if end is None else min(end, self.days)
        self.state[begin:last] = [state] * (last - begin)

    def changes(self, state: str, begin: int) -> None:
        """Say what is right from the day of the change on."""
        self.onset = begin
        self.become(state, begin)


def stays(course: Course) -> None:
    """Nothing happens."""


def stays_with_hours(course: Course) -> None:
    course.hours = np.full(course.days, 15.0)


def drops(course: Course) -> None:
    course.changes("declining", course.a_day())
    course.level[course.onset :] = DROP


def rises(course: Course) -> None:
    course.changes("increasing", course.a_day())
    course.level[course.onset :] = 1 / DROP


def fades(course: Course) -> None:
    """One percent less each week."""
    course.changes("declining", 60)
    course.level = 0.99 ** (np.maximum(0, np.arange(course.days) - 60) / 7)


def dips(course: Course) -> None:
    """A season: up to a quarter less, for four months."""
    begin = course.a_day()
    course.level[begin : begin + 120] -= 0.25 * np.sin(np.linspace(0, np.pi, 120)) ** 2
    course.onset = begin
    course.become("passing", begin, begin + 120)


def travels(course: Course) -> None:
    """Two weeks of vacation: much more, or much less, or without the device."""
    begin = course.a_day()
    course.onset = begin
    kind = course.rng.integers(3)
    if kind == 2:
        course.wears[begin : begin + 14] = 0.0
    else:
        course.level[begin : begin + 14] = (1.5, 0.6)[kind]
    course.become("passing", begin, begin + 14)


def falls_ill(course: Course) -> None:
    begin = course.a_day()
    course.onset = begin
    course.level[begin : begin + 7] = 0.35
    course.become("passing", begin, begin + 7)


def switches(course: Course) -> None:
    """Another device, which counts 15 % more or less."""
    course.changes("passing", course.a_day())
    course.level[course.onset :] = course.rng.choice([0.85, 1.15])


def wears_fewer_days(course: Course) -> None:
    course.wears[:] = 0.8
    course.changes("wearing_less", course.a_day())
    course.wears[course.onset :] = 0.4


def wears_fewer_hours(course: Course) -> None:
    course.hours = np.full(course.days, 15.0)
    course.changes("wearing_less", course.a_day())
    course.hours[course.onset :] = 6.5


def wears_six_days_of_ten(course: Course) -> None:
    course.wears[:] = 0.6


def lapses(course: Course) -> None:
    """Four to seven weeks without the device, then as before."""
    begin = course.a_day()
    end = begin + int(course.rng.integers(28, 50))
    course.onset = begin
    course.wears[begin:end] = 0.0
    course.become("stopped", begin, end)


def stops(course: Course) -> None:
    course.changes("stopped", course.a_day())
    course.wears[course.onset :] = 0.0


def begins_late(course: Course) -> None:
    course.first = course.days - int(course.rng.integers(5, 20))
    course.become("new", 0)


def never_starts(course: Course) -> None:
    course.roster = {"enrolled_on": int(course.rng.integers(0, 10))}
    course.first = course.days
    course.become("never_started", 0)


def finishes(course: Course) -> None:
    """The planned end comes; the device is worn for some days more, or not."""
    end = course.a_day()
    course.roster = {"enrolled_on": course.first, "ends_on": end}
    course.wears[end + 1 + int(course.rng.choice([0, 3])) :] = 0.0
    course.onset = end + 1
    course.become("completed", end + 1)


def withdraws(course: Course) -> None:
    end = course.a_day()
    course.roster = {"enrolled_on": course.first, "ends_on": course.days + 30, "withdrawn_on": end}
    course.wears[end + 1 :] = 0.0
    course.onset = end + 1
    course.become("withdrawn", end + 1)


# the truths, what each is called in the tables, and its share of the people
TRUTHS: dict[str, tuple[Callable[[Course], None], int]] = {
    "stable": (stays, 20),
    "stable, with hours": (stays_with_hours, 5),
    "wears it 60 % of days": (wears_six_days_of_ten, 6),
    "steps drop by 30 %": (drops, 12),
    "steps rise by 43 %": (rises, 6),
    "1 % fewer steps a week": (fades, 8),
    "seasonal dip": (dips, 5),
    "two weeks of vacation": (travels, 5),
    "ill for a week": (falls_ill, 4),
    "another device, ±15 %": (switches, 5),
    "wear days 80 to 40 %": (wears_fewer_days, 6),
    "wear hours 15 to 6.5": (wears_fewer_hours, 4),
    "lapses and returns": (lapses, 4),
    "stops": (stops, 4),
    "new": (begins_late, 2),
    "never started": (never_starts, 1),
    "finished": (finishes, 2),
    "withdrawn": (withdraws, 1),
}


@dataclass
class Person:
    """A simulated person.

    Arguments:
        user_id: the id in the rows.
        truth: a key of TRUTHS.
        course: what is true.
        steps: by day, as exported; nan: no record.
        hourly: by day and hour; none: only totals of days are exported.

    """

    user_id: str
    truth: str
    course: Course
    steps: Floats
    hourly: Floats | None = None


def autoregression(rng: Generator, days: int, keeps: float, sd: float) -> Floats:
    """Return a stationary AR(1): each value is `keeps` times the one before, plus noise; standard deviation `sd`."""
    noise = rng.normal(0, sd * np.sqrt(1 - keeps**2), days)
    values = np.empty(days)
    values[0] = rng.normal(0, sd)
    for day in range(1, days):
        values[day] = keeps * values[day - 1] + noise[day]
    return values


def usual_steps(rng: Generator, days: int) -> Floats:
    """Return the steps of days on which nothing happens."""
    spread = np.sqrt(np.log(1 + (0.3 + 0.4 * rng.beta(1, 2)) ** 2))
    weekday = rng.normal(0, 0.1, 7) - np.array([0, 0, 0, 0, 0, 0.5, 1]) * rng.uniform(-0.1, 0.3)
    today = weekday[(np.arange(days) + FIRST_DATE.weekday()) % 7]
    wander = autoregression(rng, days, np.exp(-1 / WANDER_DAYS), WANDER_SD)
    day = autoregression(rng, days, rng.uniform(0.0, 0.3), spread)
    usual: Floats = np.exp(np.log(rng.uniform(4_000, 12_000)) + today - weekday.mean() + wander + day)
    return usual


def worn_days(rng: Generator, probability: Floats) -> NDArray[np.bool_]:
    """Draw the days on which the device is worn; one day in five is as the day before, where both can be."""
    drawn = rng.random(probability.size) < probability
    sticks = rng.random(probability.size) < 0.2
    for day in range(1, probability.size):
        if sticks[day] and probability[day] == probability[day - 1]:
            drawn[day] = drawn[day - 1]
    return drawn


def by_hour(rng: Generator, total: Floats, hours: Floats) -> Floats:
    """Spread the steps of whole waking days over hours; keep those of the hours in which the device is worn.

    People are awake from 7 to 22 o'clock, and take the device off early. One worn hour in twelve has no steps.
    """
    share = rng.gamma(1.2, 1.0, (total.size, 24))
    share[:, :7] = 0
    share[:, 22:] = 0
    share[rng.random(share.shape) < 1 / 12] = 0
    share /= share.sum(axis=1, keepdims=True)
    worn = np.clip(rng.normal(hours, 1.2), 2, 15)
    kept = np.arange(24)[None, :] < 7 + worn[:, None]
    return np.round(share * kept * total[:, None])


def a_person(user_id: str, truth: str, rng: Generator, days: int) -> Person:
    course = Course(rng, days)
    TRUTHS[truth][0](course)
    steps = usual_steps(rng, days) * course.level
    hourly = None
    if course.hours is not None:
        hourly = by_hour(rng, steps, course.hours)
        steps = hourly.sum(axis=1)
    # some devices export a day without wear with 0 steps, others not at all
    unworn = 0.0 if rng.random() < 0.5 else np.nan
    worn = worn_days(rng, course.wears)
    worn[: course.first] = False
    steps = np.where(worn, np.clip(np.round(steps), 150, 44_000), unworn)
    steps[: course.first] = np.nan
    if course.first < days:
        steps[course.first] = max(steps[course.first], 1_000) if steps[course.first] > 0 else 1_000
    if hourly is not None:
        hourly[~worn] = 0
    return Person(user_id, truth, course, steps, hourly)


def people(count: int, days: int, seed: int) -> list[Person]:
    """Draw people: each truth has its share, at least one."""
    whole = sum(share for _, share in TRUTHS.values())
    return drawn({truth: max(1, round(count * share / whole)) for truth, (_, share) in TRUTHS.items()}, days, seed)


def drawn(counts: Mapping[str, int], days: int, seed: int) -> list[Person]:
    """Draw so many people of each truth."""
    truths = [truth for truth, count in counts.items() for _ in range(count)]
    seeds = np.random.SeedSequence(seed).spawn(len(truths))
    return [
        a_person(f"S{seed:02}{number:05}", truth, np.random.default_rng(own), days)
        for number, (truth, own) in enumerate(zip(truths, seeds, strict=True))
    ]


def day(number: int) -> date:
    """Return the date of a day of the study."""
    return FIRST_DATE + timedelta(days=number)
