-- Two measures of a person may have the same bytes: a month without one very active minute, and without a moderate one.
alter table ops.raw_ingest_manifest
add column part text;

comment on column ops.raw_ingest_manifest.part is
'What only the name of the file says that it measures, such as very_active_minutes; null where its content tells.';

drop index ops.raw_ingest_manifest_loaded_checksum;

create unique index raw_ingest_manifest_loaded_checksum
on ops.raw_ingest_manifest (target_schema, source, checksum, person, part) nulls not distinct
where status = 'loaded';
