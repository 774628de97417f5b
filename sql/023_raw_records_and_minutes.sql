create table raw.sleep_records (
    user_id text collate "C" not null,
    started_at timestamp not null,
    ended_at timestamp,
    sleep_day timestamp,
    is_main_sleep boolean,
    minutes_asleep integer,
    minutes_in_bed integer,
    minutes_awake integer,
    minutes_light integer,
    minutes_deep integer,
    minutes_rem integer,
    sleep_type text,
    log_id text,
    _offset smallint,
    _extra jsonb,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time(),
    constraint sleep_records_in_range check (
        least(
            minutes_asleep, minutes_in_bed, minutes_awake, minutes_light, minutes_deep, minutes_rem
        ) >= 0
        and greatest(
            minutes_asleep, minutes_in_bed, minutes_awake, minutes_light, minutes_deep, minutes_rem
        ) <= 1440
    )
);

comment on table raw.sleep_records is
'Periods of sleep as exported, main sleeps and naps: one row a period and file. Overlaps and duplicates are kept.';
comment on column raw.sleep_records.started_at is 'When it began, in the device''s local time.';
comment on column raw.sleep_records.sleep_day is
'The day that the export counts it to; null where it says none.';
comment on column raw.sleep_records.is_main_sleep is
'Whether it was the main sleep of its day, and not a nap; null where the export does not tell.';
comment on column raw.sleep_records.sleep_type is
'How the device measured it, in its own word: stages or classic.';
comment on column raw.sleep_records.log_id is 'The device''s name of the period.';
comment on column raw.sleep_records._offset is
'Minutes east of UTC, as the file writes it; null where it writes none.';
comment on column raw.sleep_records._extra is 'Columns of the file that the source does not declare.';
comment on column raw.sleep_records._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';

create table raw.minute_activity (
    user_id text collate "C" not null,
    activity_minute timestamp not null,
    steps integer,
    distance_km double precision,
    calories double precision,
    recorded_by text,
    _offset smallint,
    _extra jsonb,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time(),
    constraint minute_activity_in_range check (
        steps >= 0 and least(distance_km, calories) >= 0
    )
);

-- the rows of a file lie side by side: some kilobytes tell where, and a run reads only the files that are new
create index minute_activity_file_id on raw.minute_activity using brin (_file_id);

comment on table raw.minute_activity is
'Activity by minute as exported: one row a user, minute, source and file. Overlaps and duplicates are kept.';
comment on column raw.minute_activity.activity_minute is
'The minute''s beginning, in the device''s local time, or in UTC where _offset is 0.';
comment on column raw.minute_activity.recorded_by is
'What recorded the minute, where the file names it: a telephone and a watch may both.';
comment on column raw.minute_activity._offset is
'Minutes east of UTC, as the file writes it; null where it writes none.';
comment on column raw.minute_activity._extra is 'Columns of the file that the source does not declare.';
comment on column raw.minute_activity._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';

create table raw.minute_sleep (
    user_id text collate "C" not null,
    slept_at timestamp not null,
    stage integer,
    log_id text,
    _extra jsonb,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time(),
    constraint minute_sleep_in_range check (
        stage >= 0
    )
);

comment on table raw.minute_sleep is
'Sleep by minute as exported: one row a user, minute and file. Overlaps and duplicates are kept.';
comment on column raw.minute_sleep.slept_at is 'The minute''s beginning, in the device''s local time.';
comment on column raw.minute_sleep.stage is '1 asleep, 2 restless, 3 awake.';
comment on column raw.minute_sleep.log_id is 'The device''s name of the period of sleep.';
comment on column raw.minute_sleep._extra is 'Columns of the file that the source does not declare.';
comment on column raw.minute_sleep._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';

create table raw.hourly_calories (
    user_id text collate "C" not null,
    activity_hour timestamp not null,
    calories integer,
    _extra jsonb,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time(),
    constraint hourly_calories_in_range check (
        calories >= 0
    )
);

comment on table raw.hourly_calories is
'Kilocalories by hour as exported: one row a user and hour and file. Overlaps and duplicates are kept.';
comment on column raw.hourly_calories.activity_hour is
'The hour''s beginning, in the device''s local time: an hour is missing or twice where clocks change.';
comment on column raw.hourly_calories._extra is 'Columns of the file that the source does not declare.';
comment on column raw.hourly_calories._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';

create table raw.hourly_intensities (
    user_id text collate "C" not null,
    activity_hour timestamp not null,
    total_intensity integer,
    average_intensity double precision,
    _extra jsonb,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time(),
    constraint hourly_intensities_in_range check (
        total_intensity >= 0 and average_intensity >= 0
    )
);

comment on table raw.hourly_intensities is
'Intensity of activity by hour as exported: one row a user and hour and file. Overlaps and duplicates are kept.';
comment on column raw.hourly_intensities.activity_hour is
'The hour''s beginning, in the device''s local time: an hour is missing or twice where clocks change.';
comment on column raw.hourly_intensities.total_intensity is
'The sum over the minutes, each of which is 0 (sedentary) to 3 (very active).';
comment on column raw.hourly_intensities.average_intensity is 'The mean over the minutes.';
comment on column raw.hourly_intensities._extra is 'Columns of the file that the source does not declare.';
comment on column raw.hourly_intensities._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';

create table raw.sync_events (
    user_id text collate "C" not null,
    synced_at timestamp not null,
    synced_at_utc timestamp,
    provider text,
    device_name text,
    _extra jsonb,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time()
);

comment on table raw.sync_events is
'When devices sent what they had recorded: one row an event and file. Overlaps and duplicates are kept.';
comment on column raw.sync_events.synced_at is 'In the device''s local time.';
comment on column raw.sync_events.synced_at_utc is 'The same moment in UTC.';
comment on column raw.sync_events._extra is 'Columns of the file that the source does not declare.';
comment on column raw.sync_events._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';

create table raw.battery (
    user_id text collate "C" not null,
    read_at timestamp not null,
    level_percent integer,
    state text,
    device_name text,
    _extra jsonb,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time(),
    constraint battery_in_range check (
        level_percent between 0 and 100
    )
);

comment on table raw.battery is
'Charge of batteries as exported: one row a reading and file. Overlaps and duplicates are kept.';
comment on column raw.battery.read_at is 'In the device''s local time.';
comment on column raw.battery.state is 'The charge in the device''s own word, such as High or Low.';
comment on column raw.battery._extra is 'Columns of the file that the source does not declare.';
comment on column raw.battery._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';

create table raw.wear_time (
    user_id text collate "C" not null,
    wear_date timestamp not null,
    minutes_worn integer,
    worn_percent double precision,
    _extra jsonb,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time(),
    constraint wear_time_in_range check (
        minutes_worn between 0 and 1440 and worn_percent between 0 and 100
    )
);

comment on table raw.wear_time is
'Minutes for which the device was worn, by day: one row a user and day and file. Overlaps and duplicates are kept.';
comment on column raw.wear_time.wear_date is
'The day, in the device''s local time. Exports list each day asked for, with 0 before the person had the device.';
comment on column raw.wear_time._extra is 'Columns of the file that the source does not declare.';
comment on column raw.wear_time._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';

create table raw.profiles (
    user_id text collate "C" not null,
    time_zone text,
    weight_unit text,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time()
);

comment on table raw.profiles is
'What the profile in an archive says of how to read its other files, and nothing else of a profile. Grain: file.';
comment on column raw.profiles.time_zone is 'The name of the person''s time zone.';
comment on column raw.profiles.weight_unit is 'The unit of weights.';
comment on column raw.profiles._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';
