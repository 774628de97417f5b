-- name: has_builds()$
select to_regclass('ops.pipeline_steps') is not null and to_regclass('ops.report_key') is not null;

-- name: last_build(failed)^
-- a build that runs or was killed has the status `running`
select
    status,
    input_fingerprint,
    detail ->> 'models_fingerprint' as models_fingerprint,
    array(select jsonb_array_elements_text(coalesce(detail -> 'relations', '[]'))) as relations,
    array(select jsonb_array_elements_text(coalesce(detail -> 'failures', '[]'))) as failures,
    -- whether nothing but tests failed
    coalesce(
        (
            select bool_and(nodes.resource_type = 'test')
            from ops.dbt_node_results as nodes
            where nodes.run_id = step.run_id and nodes.status = any(:failed::text [])
        ),
        false
    ) as only_tests_failed
from ops.pipeline_steps as step
where step = 'dbt_build'
order by started_at desc, attempt desc
limit 1;

-- name: missing(relations)
select relation
from unnest(:relations::text []) as relation
where to_regclass(relation) is null;

-- name: facts(target_schema)^
select
    (select max(as_of_date) from marts.fct_user_status) as as_of_date,
    max(ingested_at) filter (where status = 'loaded') as last_load,
    count(*) filter (where status = 'loaded') as files_loaded,
    current_setting('server_version') as server_version
from ops.raw_ingest_manifest
where target_schema = :target_schema;

-- name: files(target_schema)
select
    file_id,
    source_filename as file,
    checksum as sha256,
    source as dataset,
    status,
    size_bytes,
    rows_read,
    row_count as rows_loaded,
    rows_rejected,
    rows_blank,
    rows_erased,
    ingested_at
from ops.raw_ingest_manifest
where target_schema = :target_schema
order by file_id;

-- name: persons()
select distinct person
from ops.raw_ingest_manifest
where person is not null;

-- name: identifiers()
select
    identifier,
    user_id
from intermediate.int_identifier;

-- name: name_of_key()$
-- tells two keys apart; no key can be found from it
select left(encode(sha256(convert_to('key of a release', 'UTF8') || key), 'hex'), 16)
from ops.report_key;

-- name: act_as(role)$
-- for the rest of the transaction; `none` is the login role
select set_config('role', :role, true);

-- name: prepare#
-- the text of values must not depend on the settings of a role
set local datestyle = 'ISO, YMD';
set local timezone = 'UTC';
set local extra_float_digits = 1;
set local bytea_output = 'hex';
set local work_mem = '64MB';
set local jit = off;

-- name: participants()
select distinct user_id
from {table};

-- name: devices()
select distinct device
from {table}
where device is not null;

-- name: renamed()
coalesce(
    (select named.name from unnest({devices}::text [], {names}::text []) as named (device, name) where named.device = {value}),
    {value}
);

-- name: rows_of_participants()
copy (
    select {columns}
    from {table} as t
    inner join unnest({user_ids}::text [], {names}::text []) as who (user_id, name) on t.user_id = who.user_id
    where t.user_id = any({user_ids}::text [])
    order by {order}
) to stdout with (format csv);

-- name: rows_of_nobody()
copy (
    select {columns}
    from {table} as t
    cross join (select null::text as name) as who
    where t.user_id is null
    order by {order}
) to stdout with (format csv);

-- name: rows()
copy (
    select {columns}
    from {table} as t
    order by {order}
) to stdout with (format csv);
