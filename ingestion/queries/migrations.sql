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
