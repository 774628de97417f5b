alter table ops.raw_ingest_manifest
add column device text;

comment on column ops.raw_ingest_manifest.device is
'What wrote the file, as its columns or its name say; null where it was not loaded, or by an earlier version.';

create table ops.recognised_files (
    source_filename text primary key,
    source_version text not null,
    declarations text not null,
    matches jsonb not null,
    reason text,
    hint text,
    recognised_at timestamptz not null default clock_timestamp()
);

comment on table ops.recognised_files is
'What files were recognised as, so that unchanged ones are not opened again. Without a row, a file is looked at. '
'Grain: file.';
comment on column ops.recognised_files.source_version is
'The size and the landing zone''s token of the file looked at.';
comment on column ops.recognised_files.declarations is
'A digest of the declarations and rules that it was recognised by. Under others, it is looked at again.';
comment on column ops.recognised_files.matches is
'The datasets that it fills, with the positions of their layouts; empty where it is unknown.';
