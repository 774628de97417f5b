create table raw.weight (
    user_id bigint not null,
    weighed_at timestamp not null,
    weight_kg double precision check (weight_kg between 0 and 1000),
    weight_pounds double precision check (weight_pounds >= 0),
    fat_percent double precision check (fat_percent between 0 and 100),
    bmi double precision check (bmi >= 0),
    is_manual_report boolean,
    log_id bigint,
    _extra jsonb,
    _file_id bigint not null default current_setting('ingest.file_id')::bigint,
    _loaded_at timestamptz not null default now()
);

comment on table raw.weight is
'Weight as logged: one row a weighing and file. Overlaps and duplicates are kept.';
comment on column raw.weight.weighed_at is 'In the device''s local time; 11:59:59 PM where only the day was given.';
comment on column raw.weight.fat_percent is 'Body fat; most weighings have none.';
comment on column raw.weight.is_manual_report is 'Whether the person typed it in, and no scale sent it.';
comment on column raw.weight._extra is 'Columns of the file that the source does not declare.';
comment on column raw.weight._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';
