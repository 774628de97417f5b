create schema if not exists raw;

-- _file_id comes from a setting, so that COPY stays one pass over the file
create table raw.daily_activity (
    user_id bigint not null,
    activity_date timestamp not null,
    total_steps integer check (total_steps >= 0),
    total_distance double precision check (total_distance >= 0),
    tracker_distance double precision check (tracker_distance >= 0),
    logged_activities_distance double precision check (logged_activities_distance >= 0),
    very_active_distance double precision check (very_active_distance >= 0),
    moderately_active_distance double precision check (moderately_active_distance >= 0),
    light_active_distance double precision check (light_active_distance >= 0),
    sedentary_active_distance double precision check (sedentary_active_distance >= 0),
    very_active_minutes integer check (very_active_minutes between 0 and 1440),
    fairly_active_minutes integer check (fairly_active_minutes between 0 and 1440),
    lightly_active_minutes integer check (lightly_active_minutes between 0 and 1440),
    sedentary_minutes integer check (sedentary_minutes between 0 and 1440),
    calories integer check (calories >= 0),
    _extra jsonb,
    _file_id bigint not null default current_setting('ingest.file_id')::bigint,
    _loaded_at timestamptz not null default now()
);

create index daily_activity_file_id on raw.daily_activity using brin (_file_id);

comment on table raw.daily_activity is
'Daily activity as exported: one row a user and day and file. Overlaps and duplicates are kept.';
comment on column raw.daily_activity.activity_date is
'The day, in the device''s local time; exports write M/D/YYYY, with or without a time.';
comment on column raw.daily_activity.total_distance is 'Kilometres, as are all distances here.';
comment on column raw.daily_activity._extra is 'Columns of the file that the source does not declare.';
comment on column raw.daily_activity._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';
