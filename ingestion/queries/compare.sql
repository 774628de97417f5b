-- name: marts_exist()$
select to_regclass('marts.fct_user_status') is not null and to_regclass('intermediate.int_as_of') is not null;

-- name: may_create_schemas()$
select has_database_privilege(current_database(), 'create');

-- name: drop_schema()!
drop schema if exists {schema} cascade;

-- name: latest_run()$
select run_id::text
from ops.pipeline_runs
order by started_at desc
limit 1;

-- name: last_build()^
-- what the present marts were built from, and whether a later build may have replaced some of them
select
    build.finished_at,
    build.detail ->> 'content_fingerprint' as content_fingerprint,
    build.detail -> 'cut_offs' as cut_offs,
    build.detail ->> 'models_fingerprint' as models_fingerprint,
    (
        select recorded.detail -> 'files'
        from ops.pipeline_steps as recorded
        where
            recorded.step = 'dbt_build'
            and recorded.detail ->> 'models_fingerprint' = build.detail ->> 'models_fingerprint'
            and recorded.detail ? 'files'
        limit 1
    ) as files,
    (
        select later.run_id::text
        from ops.pipeline_steps as later
        where
            later.step = 'dbt_build'
            and later.status = 'failure'
            and later.started_at >= build.started_at
            -- if only tests have failed, all models were built
            and coalesce(later.error_summary, '') not like 'TestsFailedError%%'
        order by later.started_at desc
        limit 1
    ) as failed_run
from ops.pipeline_steps as build
where
    build.step = 'dbt_build'
    and build.status in ('success', 'failure')
    and build.detail ? 'relations'
order by build.finished_at desc
limit 1;

-- name: side()^
-- an alert is of steps, as in the report
select
    (select as_of_date from {intermediate}.int_as_of) as as_of_date,
    day.valid_days,
    day.mean_steps,
    (select count(*) from {marts}.fct_user_day_deviation where metric = 'steps' and is_alert) as alerts
from (
    select
        count(*) filter (where is_valid_day) as valid_days,
        avg(steps) filter (where is_valid_day)::double precision as mean_steps
    from {marts}.fct_user_day
) as day;

-- name: people_of_side()
select
    status.*,
    coalesce(day.valid_days, 0) as valid_days
from {marts}.fct_user_status as status
left join (
    select
        user_id,
        count(*) filter (where is_valid_day) as valid_days
    from {marts}.fct_user_day
    group by user_id
) as day on status.user_id = day.user_id
where status.as_of_date = (select as_of_date from {intermediate}.int_as_of);

-- name: people()
-- everybody with a status on the as-of date of either side; the figures of those whose status differs
with present as (

    {present}

),

compared as (

    {compared}

)

select
    coalesce(present.user_id, compared.user_id) as user_id,
    present.status as now_status,
    compared.status as compared_status,
    present.since_date as now_since,
    compared.since_date as compared_since,
    case when present.status is distinct from compared.status then to_jsonb(present) end as now_figures,
    case when present.status is distinct from compared.status then to_jsonb(compared) end as compared_figures
from present
full join compared on present.user_id = compared.user_id;

-- name: digests(user_ids)
select
    user_id,
    sha256((select key from ops.report_key) || convert_to(user_id, 'UTF8')) as digest
from unnest(:user_ids::text []) as user_id;
