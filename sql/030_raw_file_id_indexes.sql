-- As raw.minute_activity has one: a run reads the rows of the files that are new, and not the whole table four times.
-- Blocks that are not in the index yet are read.
create index daily_activity_file_id on raw.daily_activity using brin (_file_id) with (autosummarize);
create index sleep_file_id on raw.sleep using brin (_file_id) with (autosummarize);
create index hourly_steps_file_id on raw.hourly_steps using brin (_file_id) with (autosummarize);
create index heart_rate_file_id on raw.heart_rate using brin (_file_id) with (autosummarize);
