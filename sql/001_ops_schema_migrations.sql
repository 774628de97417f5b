create schema if not exists ops;

create table ops.schema_migrations (
    file text primary key,
    checksum text not null,
    applied_at timestamptz not null default now(),
    duration_ms integer not null,
    application_version text not null,
    run_id uuid,
    is_baseline boolean not null default false
);

comment on table ops.schema_migrations is
'The ledger of sql/: one row a file that has been applied. Grain: file.';
comment on column ops.schema_migrations.checksum is
'SHA-256 of the file''s text with CRLF turned into LF, in hexadecimal.';
comment on column ops.schema_migrations.is_baseline is
'Recorded by migrate --baseline without running the file.';
