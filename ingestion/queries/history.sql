-- name: runs_exist()$
select to_regclass('ops.pipeline_runs') is not null;

-- name: runs(prefix, since, is_failed, max_runs, run_lock)
with held as materialized (
    select (classid::bigint << 32) | objid::bigint as key
    from pg_locks
    where
        locktype = 'advisory'
        and objsubid = 1
        and granted
        and database = (select oid from pg_database where datname = current_database())
),

run as (
    select
        pipeline_runs.*,
        -- older versions had no hints
        to_jsonb(pipeline_runs) ->> 'hint' as next_step,
        case
            when
                status = 'running'
                -- a standby has the rows of its primary, but not its locks
                and not pg_is_in_recovery()
                and hashtextextended(:run_lock || run_id::text, 0) not in (select key from held)
                then 'dead'
            else status
        end as state
    from ops.pipeline_runs
    where run_id::text like :prefix || '%%' and started_at >= :since
)

select
    run_id::text,
    command,
    state as status,
    started_at,
    finished_at,
    extract(epoch from coalesce(finished_at, case when state = 'running' then now() end) - started_at)::float8
        as seconds,
    exit_code,
    error_summary,
    next_step as hint,
    application_version
from run
where not :is_failed or state in ('failure', 'dead')
order by started_at desc
limit :max_runs;

-- name: still_running(run_ids)
select run_id::text
from ops.pipeline_runs
where run_id = any(:run_ids::uuid[]) and status = 'running';

-- name: steps(run_id)
select
    step,
    attempt,
    status,
    started_at,
    extract(epoch from finished_at - started_at)::float8 as seconds,
    rows_in,
    rows_out,
    rows_rejected,
    sqlstate,
    error_summary,
    detail
from ops.pipeline_steps
where run_id = :run_id
order by started_at, attempt;

-- name: files_of_run(run_id)
select
    source_filename as filename,
    person,
    source as dataset,
    status,
    ingested_at,
    rows_read,
    row_count as rows_loaded,
    rows_rejected,
    size_bytes,
    checksum,
    reason,
    run_id::text,
    -- older versions made no remarks, and noted no device
    coalesce(to_jsonb(raw_ingest_manifest) -> 'remarks', '[]') as remarks,
    to_jsonb(raw_ingest_manifest) ->> 'device' as device
from ops.raw_ingest_manifest
where run_id = :run_id
order by status = 'refused' desc, ingested_at;

-- name: rejected_of_run(run_id)
select
    m.source as dataset,
    r.reason,
    r.column_name as column,
    count(*) as rows,
    count(distinct r.file_id) as files
from ops.rejected_rows as r
inner join ops.raw_ingest_manifest as m on r.file_id = m.file_id
where r.run_id = :run_id
group by m.source, r.reason, r.column_name
order by count(*) desc, m.source, r.reason;

-- name: nodes_of_run(run_id)
select
    split_part(node_id, '.', 3) as node,
    resource_type,
    status,
    failures,
    rows_affected,
    duration_ms / 1000.0::float8 as seconds,
    message
from ops.dbt_node_results
where run_id = :run_id
order by duration_ms desc, node_id;

-- name: files(target_schema, status, dataset, pattern, max_files)
select
    source_filename as filename,
    person,
    source as dataset,
    status,
    ingested_at,
    rows_read,
    row_count as rows_loaded,
    rows_rejected,
    size_bytes,
    checksum,
    reason,
    run_id::text,
    -- older versions made no remarks, and noted no device
    coalesce(to_jsonb(raw_ingest_manifest) -> 'remarks', '[]') as remarks,
    to_jsonb(raw_ingest_manifest) ->> 'device' as device
from ops.raw_ingest_manifest
where
    target_schema = :target_schema
    and (:status::text is null or status = :status)
    and (:dataset::text is null or source = :dataset)
    and (:pattern::text is null or source_filename ilike :pattern)
order by ingested_at desc, file_id desc
limit :max_files;
