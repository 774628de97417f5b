-- name: migrations_exist()$
select to_regclass('ops.schema_migrations') is not null;

-- name: applied()
select
    file,
    checksum,
    applied_at,
    is_baseline
from ops.schema_migrations
order by file;

-- name: record(file, checksum, duration_ms, application_version, run_id, is_baseline)!
insert into ops.schema_migrations (
    file, checksum, duration_ms, application_version, run_id, is_baseline
)
values (
    :file, :checksum, :duration_ms, :application_version, :run_id, :is_baseline
);

-- name: transaction_id()$
select pg_current_xact_id()::text;
