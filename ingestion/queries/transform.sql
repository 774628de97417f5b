-- name: last_build()^
-- a skipped build has the fingerprint and the relations of the build before it
select
    last.*,
    coalesce((select bool_and(to_regclass(relation) is not null) from unnest(last.relations) as relation), false)
        as all_exist
from
    (
        select
            case when status <> 'failure' then input_fingerprint end as input_fingerprint,
            coalesce(
                array(select jsonb_array_elements_text(detail -> 'relations')),
                '{}'
            ) as relations
        from ops.pipeline_steps
        where step = 'dbt_build' and status <> 'running'
        order by finished_at desc
        limit 1
    ) as last;

-- name: record_nodes()!
insert into ops.dbt_node_results (
    run_id, dbt_invocation_id, node_id, resource_type, status, failures, rows_affected, duration_ms, message
)
values %s;

-- name: models_built()
-- the last successful build, and any that started since then
select distinct
    detail ->> 'models_fingerprint' as models_fingerprint,
    coalesce((detail ->> 'is_distributed')::boolean, false) as is_distributed
from ops.pipeline_steps
where
    step = 'dbt_build'
    and status <> 'running'
    and started_at >= (
        select coalesce(max(good.started_at), '-infinity')
        from ops.pipeline_steps as good
        where good.step = 'dbt_build' and good.status in ('success', 'skipped')
    );

-- name: knows_models(models)$
select
    exists(
        select
        from ops.pipeline_steps
        where step = 'dbt_build' and detail ->> 'models_fingerprint' = :models and detail ? 'files'
    );
