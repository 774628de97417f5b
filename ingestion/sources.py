"""The declared datasets: what a file is called, which columns it has, and which raw table they go to.

Adding a dataset is one `Source` in `SOURCES`, one `sql/NNN_raw_<name>.sql`, one staging model, and sample rows.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

ColumnType = Literal["bigint", "integer", "double precision", "timestamp"]

_DATE = r"\d{4}[-_]?\d{2}[-_]?\d{2}"
# \d++ gives no digit back: with \d+ a name of 30 digits and another suffix takes minutes to refuse
_DROP_NAME = r"(?:{date}[ ._-])?(?:{stem})(?:[ ._-]?(?:merged|{date}|\(?\d++\)?|to))*\.csv"


@dataclass(frozen=True)
class Column:
    """One column of a source.

    Arguments:
        name: the column of the raw table.
        header: the header that the device's export writes; matched without regard to case or punctuation.
        type: the PostgreSQL type that every value must be castable to.
        required: a file without this column is refused.
        minimum: the least value a device can mean; rows below it go to quarantine.
        maximum: the greatest such value.

    """

    name: str
    header: str
    type: ColumnType
    required: bool = False
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True)
class Source:
    """One dataset as devices export it.

    Arguments:
        name: the raw table, without its schema.
        stems: what the file name begins with, `_` standing for any or no separator. Around it a name may carry
            `_merged`, dates and numbers: `sleep_2026-01-20.csv`, `dailyActivity_merged.csv`.
        columns: all columns that are loaded into columns of their own.
        key: columns without which a row means nothing; a row that lacks one goes to quarantine.
        date_order: how the export writes dates, in the sense of PostgreSQL's DateStyle. ISO dates always fit.
        max_rejected_percent: more bad rows than this (0 to 100) and the file is refused whole.
        max_rejected_rows: the same as a number of rows.

    """

    name: str
    stems: tuple[str, ...]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    date_order: Literal["MDY", "DMY", "YMD"] = "MDY"
    max_rejected_percent: float = 50.0
    max_rejected_rows: int = 100_000
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        stem = "|".join(re.escape(stem).replace("_", "[ ._-]?") for stem in self.stems)
        pattern = re.compile(_DROP_NAME.format(date=_DATE, stem=stem), re.IGNORECASE)
        object.__setattr__(self, "_pattern", pattern)

    def matches(self, basename: str) -> bool:
        """Tell whether a file of this name (without folders) holds this dataset."""
        return self._pattern.fullmatch(basename) is not None

    @cached_property
    def by_header(self) -> dict[str, Column]:
        """Columns by their normalised header: the device's own spelling and the raw table's."""
        return {normalise(text): column for column in self.columns for text in (column.header, column.name)}


def normalise(header: str) -> str:
    """Return a header without case, spaces and punctuation, so that `Total Steps` is `TotalSteps`."""
    return re.sub(r"[\W_]+", "", header).lower()


def source_for(basename: str) -> Source | None:
    """Return the source that a file of this name belongs to, or None for an unknown one."""
    return next((source for source in SOURCES if source.matches(basename)), None)


def _distance(name: str, header: str) -> Column:
    return Column(name, header, "double precision", minimum=0)


def _minutes(name: str, header: str, *, required: bool = True) -> Column:
    return Column(name, header, "integer", required=required, minimum=0, maximum=1440)


DAILY_ACTIVITY = Source(
    name="daily_activity",
    stems=("daily_activity",),
    key=("user_id", "activity_date"),
    columns=(
        Column("user_id", "Id", "bigint", required=True),
        Column("activity_date", "ActivityDate", "timestamp", required=True),
        Column("total_steps", "TotalSteps", "integer", required=True, minimum=0),
        _distance("total_distance", "TotalDistance"),
        _distance("tracker_distance", "TrackerDistance"),
        _distance("logged_activities_distance", "LoggedActivitiesDistance"),
        _distance("very_active_distance", "VeryActiveDistance"),
        _distance("moderately_active_distance", "ModeratelyActiveDistance"),
        _distance("light_active_distance", "LightActiveDistance"),
        _distance("sedentary_active_distance", "SedentaryActiveDistance"),
        _minutes("very_active_minutes", "VeryActiveMinutes"),
        _minutes("fairly_active_minutes", "FairlyActiveMinutes"),
        _minutes("lightly_active_minutes", "LightlyActiveMinutes"),
        _minutes("sedentary_minutes", "SedentaryMinutes"),
        Column("calories", "Calories", "integer", required=True, minimum=0),
    ),
)

SLEEP = Source(
    name="sleep",
    stems=("sleep", "sleep_day"),
    key=("user_id", "sleep_day"),
    columns=(
        Column("user_id", "Id", "bigint", required=True),
        Column("sleep_day", "SleepDay", "timestamp", required=True),
        Column("total_sleep_records", "TotalSleepRecords", "integer", minimum=0),
        _minutes("total_minutes_asleep", "TotalMinutesAsleep"),
        _minutes("total_time_in_bed", "TotalTimeInBed"),
    ),
)

SOURCES = (DAILY_ACTIVITY, SLEEP)
