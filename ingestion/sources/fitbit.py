"""The datasets that the raw tables are modelled after: Fitbit's, as Fitabase exports them."""

from ingestion.sources.devices import OURA_ACTIVITY, OURA_SLEEP, WHOOP_SLEEP
from ingestion.sources.model import Column, Source


def _distance(name: str, header: str) -> Column:
    return Column(name, header, "double precision", minimum=0)


def _minutes(name: str, header: str, *, required: bool = True) -> Column:
    return Column(name, header, "integer", required=required, minimum=0, maximum=1440)


DAILY_ACTIVITY = Source(
    name="daily_activity",
    stems=("daily_activity",),
    key=("user_id", "activity_date"),
    exports=(OURA_ACTIVITY,),
    columns=(
        Column("user_id", "Id", "bigint", required=True),
        Column("activity_date", "ActivityDate", "timestamp", required=True, aliases=("ActivityDay",)),
        Column("total_steps", "TotalSteps", "integer", required=True, minimum=0, aliases=("StepTotal", "Steps")),
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
    exports=(OURA_SLEEP, WHOOP_SLEEP),
    columns=(
        Column("user_id", "Id", "bigint", required=True),
        Column("sleep_day", "SleepDay", "timestamp", required=True),
        Column("total_sleep_records", "TotalSleepRecords", "integer", minimum=0),
        _minutes("total_minutes_asleep", "TotalMinutesAsleep"),
        _minutes("total_time_in_bed", "TotalTimeInBed"),
    ),
)

HOURLY_STEPS = Source(
    name="hourly_steps",
    stems=("hourly_steps",),
    key=("user_id", "activity_hour"),
    columns=(
        Column("user_id", "Id", "bigint", required=True),
        Column("activity_hour", "ActivityHour", "timestamp", required=True),
        Column("step_total", "StepTotal", "integer", required=True, minimum=0),
    ),
)

HEART_RATE = Source(
    name="heart_rate",
    stems=("heart_rate", "heart_rate_seconds"),
    key=("user_id", "measured_at"),
    columns=(
        Column("user_id", "Id", "bigint", required=True),
        Column("measured_at", "Time", "timestamp", required=True),
        Column("beats_per_minute", "Value", "integer", required=True, minimum=0, maximum=400),
    ),
)

WEIGHT = Source(
    name="weight",
    stems=("weight", "weight_log_info"),
    key=("user_id", "weighed_at"),
    columns=(
        Column("user_id", "Id", "bigint", required=True),
        Column("weighed_at", "Date", "timestamp", required=True),
        Column("weight_kg", "WeightKg", "double precision", required=True, minimum=0, maximum=1000),
        Column("weight_pounds", "WeightPounds", "double precision", minimum=0),
        Column("fat_percent", "Fat", "double precision", minimum=0, maximum=100),
        Column("bmi", "BMI", "double precision", minimum=0),
        Column("is_manual_report", "IsManualReport", "boolean"),
        Column("log_id", "LogId", "bigint"),
    ),
)
