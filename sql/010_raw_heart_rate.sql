create table raw.heart_rate (
    user_id bigint not null,
    measured_at timestamp not null,
    beats_per_minute integer check (beats_per_minute between 0 and 400),
    _extra jsonb,
    _file_id bigint not null default current_setting('ingest.file_id')::bigint,
    _loaded_at timestamptz not null default now()
);

comment on table raw.heart_rate is
'Heart rate as exported, every few seconds: one row a user, moment and file. Overlaps and duplicates are kept.';
comment on column raw.heart_rate.measured_at is 'In the device''s local time.';
comment on column raw.heart_rate._extra is 'Columns of the file that the source does not declare.';
comment on column raw.heart_rate._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';
