-- name: datasets(target_schema)
select
    source as name,
    count(*) filter (where status = 'loaded') as files,
    coalesce(sum(row_count) filter (where status = 'loaded'), 0)::bigint as rows_loaded,
    (array_agg(source_filename order by ingested_at desc, file_id desc) filter (where status in ('loaded', 'replaced')))[1]
        as last_file,
    max(ingested_at) filter (where status in ('loaded', 'replaced')) as last_loaded_at
from ops.raw_ingest_manifest
where target_schema = :target_schema
group by source
order by source;

-- name: file_counts(target_schema)
select
    status,
    count(*) as files
from ops.raw_ingest_manifest
where target_schema = :target_schema
group by status
order by status;

-- name: quarantine(target_schema)
select
    m.source as dataset,
    r.reason,
    r.column_name as column,
    count(*) as rows,
    count(distinct r.file_id) as files
from ops.rejected_rows as r
inner join ops.raw_ingest_manifest as m on r.file_id = m.file_id
where m.status = 'loaded' and m.target_schema = :target_schema
group by m.source, r.reason, r.column_name
order by count(*) desc, m.source, r.reason;

-- name: last_failures()
-- steps whose latest attempt failed, even if later runs of other commands succeeded
select
    latest.step,
    latest.run_id::text,
    latest.finished_at,
    latest.error_summary
from (
    select distinct on (step) *
    from ops.pipeline_steps
    where step in ('ingest', 'dbt_build') and status <> 'running'
    order by step, finished_at desc
) as latest
where latest.status = 'failure';

-- name: last_success()$
select max(finished_at)
from ops.pipeline_runs
where status = 'success';

-- name: miscounts(target_schema)
-- as the last build has counted them; a file that was loaded again or retracted since then is another one
select
    m.source_filename as filename,
    m.row_count as recorded,
    (counted.value ->> 'found')::bigint as found
from (
    select detail -> 'miscounts' as files
    from ops.pipeline_steps
    where step = 'dbt_build' and detail -> 'miscounts' is not null
    order by started_at desc
    limit 1
) as last_count
cross join lateral jsonb_array_elements(last_count.files) as counted
inner join ops.raw_ingest_manifest as m on (counted.value ->> 'file_id')::bigint = m.file_id
where m.status = 'loaded' and m.target_schema = :target_schema
order by m.source_filename, m.file_id;

-- name: may_read(relation)$
select coalesce(
    has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'),
    false
)
from (select to_regclass(:relation) as oid) as asked
inner join pg_class as c on asked.oid = c.oid
inner join pg_namespace as n on c.relnamespace = n.oid;

-- name: latest_in_marts()^
select
    max(activity_date) filter (where has_record) as daily_activity,
    max(activity_date) filter (where sleep_records > 0) as sleep
from marts.fct_user_day;
