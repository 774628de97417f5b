create table raw.hourly_steps (
    user_id bigint not null,
    activity_hour timestamp not null,
    step_total integer check (step_total >= 0),
    _extra jsonb,
    _file_id bigint not null default current_setting('ingest.file_id')::bigint,
    _loaded_at timestamptz not null default now()
);

comment on table raw.hourly_steps is
'Steps by hour as exported: one row a user and hour and file. Overlaps and duplicates are kept.';
comment on column raw.hourly_steps.activity_hour is
'The hour''s beginning, in the device''s local time: an hour is missing or twice where clocks change.';
comment on column raw.hourly_steps._extra is 'Columns of the file that the source does not declare.';
comment on column raw.hourly_steps._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';
