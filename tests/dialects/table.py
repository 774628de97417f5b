"""The truth: a table of people and days, and the rows that raw has to hold of it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Literal

Meaning = Literal["person", "day", "moment", "whole", "seconds", "decimal", "flag", "identifier", "text"]

DEVICE = "Device"


@dataclass(frozen=True)
class Field:
    """One column of a file.

    Arguments:
        header: its header.
        column: the column of the raw table, None where the dataset does not declare it.
        meaning: what its values are.
        low: the least value of a number.
        high: the greatest.
        is_optional: whether a file may lack it.
        has_time: whether a day is written with a time, which is midnight.

    """

    header: str
    column: str | None
    meaning: Meaning
    low: int = 0
    high: int = 0
    is_optional: bool = False
    has_time: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Arguments:
        name: what the table of outcomes calls it.
        dataset: the raw table.
        path: the file's path without suffix.
        order: the declared order of day, month and year.
        fields: its columns.
        per_day: the number of rows per person and day.

    """

    name: str
    dataset: str
    path: str
    order: Literal["MDY", "YMD"]
    fields: tuple[Field, ...]
    per_day: int = 1

    @property
    def columns(self) -> tuple[Field, ...]:
        """The declared columns."""
        return tuple(field for field in self.fields if field.column)

    @property
    def day(self) -> int:
        """The position of the column with the day."""
        return next(i for i, field in enumerate(self.fields) if field.column and field.meaning in {"day", "moment"})

    @property
    def is_of_one_person(self) -> bool:
        """Whether only the path names the person."""
        return all(field.meaning != "person" for field in self.fields)


_ID = Field("Id", "user_id", "person")
KINDS = (
    Kind(
        "sleep",
        "sleep",
        "sleep",
        "MDY",
        (
            _ID,
            Field("SleepDay", "sleep_day", "day", has_time=True),
            Field("TotalSleepRecords", "total_sleep_records", "whole", 1, 3, is_optional=True),
            Field("TotalMinutesAsleep", "total_minutes_asleep", "whole", 60, 700),
            Field("TotalTimeInBed", "total_time_in_bed", "whole", 60, 1440),
        ),
    ),
    Kind(
        "daily activity",
        "daily_activity",
        "dailyActivity_merged",
        "MDY",
        (
            _ID,
            Field("ActivityDate", "activity_date", "day"),
            Field("TotalSteps", "total_steps", "whole", 0, 30_000),
            Field("TotalDistance", "total_distance", "decimal", 0, 40, is_optional=True),
            Field("LoggedActivitiesDistance", "logged_activities_distance", "decimal", 0, 9, is_optional=True),
            Field("VeryActiveMinutes", "very_active_minutes", "whole", 0, 200),
            Field("FairlyActiveMinutes", "fairly_active_minutes", "whole", 0, 200),
            Field("LightlyActiveMinutes", "lightly_active_minutes", "whole", 0, 500),
            Field("SedentaryMinutes", "sedentary_minutes", "whole", 500, 1440),
            Field("Calories", "calories", "whole", 600, 4500),
        ),
    ),
    Kind(
        "weight",
        "weight",
        "weightLogInfo_merged",
        "MDY",
        (
            _ID,
            Field("Date", "weighed_at", "moment"),
            Field("WeightKg", "weight_kg", "decimal", 45, 140),
            Field("WeightPounds", "weight_pounds", "decimal", 100, 308, is_optional=True),
            Field("Fat", "fat_percent", "whole", 8, 45, is_optional=True),
            Field("BMI", "bmi", "decimal", 17, 44, is_optional=True),
            Field("IsManualReport", "is_manual_report", "flag", is_optional=True),
            Field("LogId", "log_id", "identifier", 1_400_000_000_000, 1_480_000_000_000, is_optional=True),
        ),
    ),
    Kind(
        "hourly steps",
        "hourly_steps",
        "hourlySteps_merged",
        "MDY",
        (
            _ID,
            Field("ActivityHour", "activity_hour", "moment"),
            Field("StepTotal", "step_total", "whole", 0, 7_000),
        ),
        per_day=3,
    ),
    Kind(
        "heart rate",
        "heart_rate",
        "heartrate_seconds_merged",
        "MDY",
        (_ID, Field("Time", "measured_at", "moment"), Field("Value", "beats_per_minute", "whole", 40, 190)),
        per_day=4,
    ),
    Kind(
        "Whoop",
        "sleep",
        "user_id=7/physiological_cycles",
        "YMD",
        (
            Field("Cycle start time", None, "moment"),
            Field("Cycle timezone", None, "text"),
            Field("Wake onset", "sleep_day", "moment"),
            Field("Asleep duration (min)", "total_minutes_asleep", "whole", 60, 700),
            Field("In bed duration (min)", "total_time_in_bed", "whole", 60, 900),
        ),
    ),
    Kind(
        "Oura sleep",
        "sleep",
        "user_id=7/oura_sleep",
        "YMD",
        (
            Field("date", "sleep_day", "day"),
            Field("Total Sleep Duration", "total_minutes_asleep", "seconds", 60, 700),
            Field("Total Bedtime", "total_time_in_bed", "seconds", 60, 900),
        ),
    ),
    Kind(
        "Oura activity",
        "daily_activity",
        "user_id=7/oura_activity",
        "YMD",
        (
            Field("date", "activity_date", "day"),
            Field("Steps", "total_steps", "whole", 0, 30_000),
            Field("Total Burn", "calories", "whole", 600, 4500),
        ),
    ),
)


@dataclass(frozen=True)
class Shape:
    """What a table looks like, before it has values.

    Arguments:
        people: the number of people.
        start: the first day.
        steps: the days between one day and the next.
        seed: what the values come from.
        has_device: whether there is an undeclared column of text.
        gaps: the share of optional values that are missing.
        required_gaps: the share of required values, other than the key, that are missing.
        fraction_places: decimals of one column of whole numbers.
        places: decimals of decimal columns.
        whole_minutes: moments have no seconds.
        by_day: rows are in the order of days, not of people.

    """

    people: int
    start: date
    steps: tuple[int, ...]
    seed: int
    has_device: bool = False
    gaps: float = 0.1
    required_gaps: float = 0.0
    fraction_places: int = 0
    places: int = 2
    whole_minutes: bool = False
    by_day: bool = False
    texts: tuple[str, ...] = ("scale", "watch", "band")


@dataclass(frozen=True)
class Table:
    """A table.

    Arguments:
        kind: its kind.
        fields: its columns, with the undeclared one.
        rows: a value or None for each field of each row.

    """

    kind: Kind
    fields: tuple[Field, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def expected(self) -> list[tuple[Any, ...]]:
        """The rows that raw has to hold: the person, each declared column, and the undeclared text."""
        return [self._expected(row) for row in self.rows]

    def position(self, column: str) -> int:
        """Return the place of a raw column among the fields."""
        return next(i for i, field in enumerate(self.fields) if field.column == column)

    @property
    def moments(self) -> list[datetime]:
        """The moment of each row."""
        place = next(i for i, field in enumerate(self.fields) if field is self.kind.fields[self.kind.day])
        return [row[place] for row in self.rows]

    def _expected(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        by_column = {field.column: _stored(value, field) for field, value in zip(self.fields, row, strict=True)}
        person = () if "user_id" in by_column else (7,)
        device = next((value for field, value in zip(self.fields, row, strict=True) if field.header == DEVICE), None)
        return (*person, *(by_column[field.column] for field in self.kind.columns), device)


def make(kind: Kind, shape: Shape) -> Table:
    """Return the table of a shape.

    Arguments:
        kind: its kind.
        shape: its shape.

    """
    random = Random(shape.seed)  # noqa: S311
    fields = kind.fields + ((Field(DEVICE, None, "text"),) if shape.has_device else ())
    ids = [7] if kind.is_of_one_person else [random.randint(1_000_000_000, 8_999_999_999) for _ in range(shape.people)]
    days = [shape.start]
    for step in shape.steps:
        days.append(days[-1] + timedelta(days=step))
    pairs = [(person, day) for day in days for person in ids] if shape.by_day else [(p, d) for p in ids for d in days]
    values = _Values(shape, random, fields)
    return Table(
        kind,
        fields,
        tuple(
            tuple(values.draw(field, person, moment) for field in fields)
            for person, day in pairs
            for moment in _moments(kind, day, random, whole_minutes=shape.whole_minutes)
        ),
    )


class _Values:
    """Draws the values of a table.

    Arguments:
        shape: its shape.
        random: where they come from.
        fields: its columns.

    """

    def __init__(self, shape: Shape, random: Random, fields: tuple[Field, ...]) -> None:
        self._shape = shape
        self._random = random
        whole = [field for field in fields if field.column and field.meaning == "whole" and not field.is_optional]
        self._with_fraction = whole[-1] if whole and shape.fraction_places else None

    def draw(self, field: Field, person: int, moment: datetime) -> Any:
        """Return a value, or None where it is missing."""
        if field.meaning == "person":
            return person
        if field.meaning in {"day", "moment"}:
            return moment if field.column else moment - timedelta(hours=9)
        gaps = self._shape.gaps if field.is_optional else self._shape.required_gaps if field.column else 0
        if self._random.random() < gaps:
            return None
        if field.meaning == "text":
            return self._random.choice(self._shape.texts) if field.header == DEVICE else "UTC-05:00"
        return self._number(field)

    def _number(self, field: Field) -> int | Decimal | bool:
        if field.meaning == "flag":
            return self._random.random() < 0.5
        number = self._random.randint(field.low, field.high)
        if field.meaning == "seconds":
            # never half a minute: both ways to round it are right
            return number * 60 + self._random.choice([0, 7, 24, 41, 58])
        if field.meaning == "decimal":
            return self._with_decimals(number, self._shape.places)
        return self._with_decimals(number, self._shape.fraction_places) if field is self._with_fraction else number

    def _with_decimals(self, number: int, places: int) -> Decimal:
        part = self._random.randint(1, 10**places - 1)
        # never a half: both ways to round it are right
        part += part * 2 == 10**places
        return Decimal(number) + Decimal(part).scaleb(-places)


def _moments(kind: Kind, day: date, random: Random, *, whole_minutes: bool) -> list[datetime]:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001  (devices write local times)
    if kind.fields[kind.day].meaning == "day":
        return [midnight]
    if kind.dataset == "hourly_steps":
        return [midnight + timedelta(hours=hour) for hour in sorted(random.sample(range(24), kind.per_day))]
    step = 60 if whole_minutes else 1
    seconds = sorted(random.sample(range(0, 86_400, step), kind.per_day))
    return [midnight + timedelta(seconds=second) for second in seconds]


def _stored(value: Any, field: Field) -> Any:
    if value is None:
        return None
    if field.meaning == "whole":
        return round(value)
    if field.meaning == "seconds":
        return round(Decimal(value) / 60)
    return float(value) if field.meaning == "decimal" else value
