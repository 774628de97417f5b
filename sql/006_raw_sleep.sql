create table raw.sleep (
    user_id bigint not null,
    sleep_day timestamp not null,
    total_sleep_records integer check (total_sleep_records >= 0),
    total_minutes_asleep integer check (total_minutes_asleep between 0 and 1440),
    total_time_in_bed integer check (total_time_in_bed between 0 and 1440),
    _extra jsonb,
    _file_id bigint not null default current_setting('ingest.file_id')::bigint,
    _loaded_at timestamptz not null default now()
);

comment on table raw.sleep is
'Sleep by day as exported: one row a user and day and file. Overlaps and duplicates are kept.';
comment on column raw.sleep.sleep_day is
'The day on which the sleep ended, in the device''s local time.';
comment on column raw.sleep.total_sleep_records is
'Sleep periods of that day; the minutes are already their sum.';
comment on column raw.sleep._extra is 'Columns of the file that the source does not declare.';
comment on column raw.sleep._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';
