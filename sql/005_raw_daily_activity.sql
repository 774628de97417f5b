create schema if not exists raw;

-- _file_id comes from a setting, so that COPY stays one pass over the file; an index on it would cost that pass a tenth
create table raw.daily_activity (
    user_id bigint not null,
    activity_date timestamp not null,
    total_steps integer,
    total_distance double precision,
    tracker_distance double precision,
    logged_activities_distance double precision,
    very_active_distance double precision,
    moderately_active_distance double precision,
    light_active_distance double precision,
    sedentary_active_distance double precision,
    very_active_minutes integer,
    fairly_active_minutes integer,
    lightly_active_minutes integer,
    sedentary_minutes integer,
    calories integer,
    _extra jsonb,
    _file_id bigint not null default current_setting('ingest.file_id')::bigint,
    _loaded_at timestamptz not null default now(),
    -- one for all, because COPY pays for each CHECK: with one a column it took a seventh longer
    constraint daily_activity_in_range check (
        total_steps >= 0
        and total_distance >= 0
        and tracker_distance >= 0
        and logged_activities_distance >= 0
        and very_active_distance >= 0
        and moderately_active_distance >= 0
        and light_active_distance >= 0
        and sedentary_active_distance >= 0
        and very_active_minutes between 0 and 1440
        and fairly_active_minutes between 0 and 1440
        and lightly_active_minutes between 0 and 1440
        and sedentary_minutes between 0 and 1440
        and calories >= 0
    )
);

comment on table raw.daily_activity is
'Daily activity as exported: one row a user and day and file. Overlaps and duplicates are kept.';
comment on column raw.daily_activity.activity_date is
'The day, in the device''s local time; exports write M/D/YYYY, with or without a time.';
comment on column raw.daily_activity.total_distance is 'Kilometres, as are all distances here.';
comment on column raw.daily_activity._extra is 'Columns of the file that the source does not declare.';
comment on column raw.daily_activity._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';
