"""Other devices' exports: only columns whose meaning is that of the raw table's; docs/sources.md says what differs."""

from ingestion.sources.model import Export, Taken

# seconds; the trends of one person, to be dropped once for each table that is to be filled
OURA_SLEEP = Export(
    device="Oura",
    stems=("oura_sleep",),
    columns=(
        Taken("sleep_day", "date"),
        Taken("total_minutes_asleep", "Total Sleep Duration", factor=1 / 60),
        Taken("total_time_in_bed", "Total Bedtime", factor=1 / 60),
    ),
)

OURA_ACTIVITY = Export(
    device="Oura",
    stems=("oura_activity",),
    columns=(
        Taken("activity_date", "date"),
        Taken("total_steps", "Steps"),
        Taken("calories", "Total Burn"),
    ),
)

# a cycle begins with a main sleep, so that its row is that of the day of waking; naps are in another file
WHOOP_SLEEP = Export(
    device="Whoop",
    stems=("physiological_cycles",),
    columns=(
        Taken("sleep_day", "Wake onset"),
        Taken("total_minutes_asleep", "Asleep duration (min)"),
        Taken("total_time_in_bed", "In bed duration (min)"),
    ),
)
