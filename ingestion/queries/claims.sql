-- name: record_claims(target_schemas, datasets, filenames, run_id)!
insert into ops.file_claims (target_schema, source, source_filename, run_id)
select
    claim.target_schema,
    claim.source,
    claim.source_filename,
    :run_id
from
    unnest(:target_schemas::text [], :datasets::text [], :filenames::text [])
        as claim (target_schema, source, source_filename)
on conflict (target_schema, source, source_filename) do update
    set run_id = excluded.run_id, claimed_at = clock_timestamp();

-- name: delete_claims(run_id)!
-- also those that runs which have ended left behind
delete from ops.file_claims as claim
where
    claim.run_id = :run_id
    or not exists (
        select from ops.pipeline_runs as run
        where run.run_id = claim.run_id and run.status = 'running'
    );

-- name: claims_exist()$
select to_regclass('ops.file_claims') is not null;

-- name: claims()
select
    target_schema,
    source,
    source_filename,
    run_id::text,
    claimed_at
from ops.file_claims
order by claimed_at;
