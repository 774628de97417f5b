alter table ops.raw_ingest_manifest
add column rows_erased bigint not null default 0;

alter table ops.raw_ingest_manifest
drop constraint raw_ingest_manifest_check;

alter table ops.raw_ingest_manifest
add constraint raw_ingest_manifest_rows_add_up
check (rows_read = row_count + rows_rejected + rows_blank + rows_erased);

comment on column ops.raw_ingest_manifest.rows_erased is
'Rows of persons who were erased, before or after this load: neither in raw nor in quarantine.';

create table ops.erased_users (
    user_hash text primary key,
    erased_at timestamptz not null default now(),
    run_id uuid
);

comment on table ops.erased_users is
'Tombstones: persons who were erased and must not come back with a later drop. Grain: person.';
comment on column ops.erased_users.user_hash is
'HMAC-SHA256 of the user id under PIPELINE_ERASURE_KEY, in hexadecimal: no id can be read from it.';
