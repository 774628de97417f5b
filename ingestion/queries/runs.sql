-- name: runs_exists()$
select to_regclass('ops.pipeline_runs') is not null;

-- name: start_run(run_id, started_at, command, application_version)!
-- only the columns that every version has, because sql/ may not have been applied yet
insert into ops.pipeline_runs (run_id, started_at, status, command, application_version)
values (:run_id, :started_at, 'running', :command, :application_version)
on conflict (run_id) do nothing;

-- name: finish_run(run_id, started_at, finished_at, status, command, application_version, exit_code, error_summary)$
-- ends a run and its steps, unless it has ended already; returns how the run has ended
with ended as (
    insert into ops.pipeline_runs as run (
        run_id, started_at, finished_at, status, command, application_version, exit_code, error_summary
    )
    values (
        :run_id, :started_at, :finished_at, :status, :command, :application_version, :exit_code, :error_summary
    )
    on conflict (run_id) do update
        set
            finished_at = excluded.finished_at,
            status = excluded.status,
            exit_code = excluded.exit_code,
            error_summary = excluded.error_summary
        where run.status = 'running'
    returning run.run_id, run.status
),

ended_steps as (
    update ops.pipeline_steps as step
    set finished_at = :finished_at, status = 'failure', error_summary = :error_summary
    from ended
    where step.run_id = ended.run_id and step.status = 'running'
)

select coalesce(
    (select status from ended),
    (select status from ops.pipeline_runs where run_id = :run_id)
);

-- name: record_hint(run_id, hint)!
update ops.pipeline_runs
set hint = :hint
where run_id = :run_id and status = 'failure';

-- name: save_step(run_id, step, attempt, started_at, finished_at, status, rows_in, rows_out, rows_rejected, sqlstate, dbt_invocation_id, input_fingerprint, error_summary, detail)!
insert into ops.pipeline_steps (
    run_id, step, attempt, started_at, finished_at, status, rows_in, rows_out, rows_rejected,
    sqlstate, dbt_invocation_id, input_fingerprint, error_summary, detail
)
values (
    :run_id, :step, :attempt, :started_at, :finished_at, :status, :rows_in, :rows_out, :rows_rejected,
    :sqlstate, :dbt_invocation_id, :input_fingerprint, :error_summary, :detail
)
on conflict (run_id, step, attempt) do update
    set
        finished_at = excluded.finished_at,
        status = excluded.status,
        rows_in = excluded.rows_in,
        rows_out = excluded.rows_out,
        rows_rejected = excluded.rows_rejected,
        sqlstate = excluded.sqlstate,
        dbt_invocation_id = excluded.dbt_invocation_id,
        input_fingerprint = excluded.input_fingerprint,
        error_summary = excluded.error_summary,
        detail = excluded.detail;

-- name: unended()
-- runs that have not ended: as far as their records say, or because they have connections; not every run has a record yet
select
    run_id::text,
    true as is_recorded
from ops.pipeline_runs
where status = 'running'
union all
select
    run_id,
    false
from
    (
        select substring(application_name from ' run ([0-9a-f]{32})$')::uuid::text as run_id
        from pg_stat_activity
        where datname = current_database()
    ) as connected
where run_id is not null
order by is_recorded desc, run_id;

-- name: connected()
-- the same without records
select distinct substring(application_name from ' run ([0-9a-f]{32})$')::uuid::text as run_id
from pg_stat_activity
where
    datname = current_database()
    and application_name ~ ' run [0-9a-f]{32}$';

-- name: status_of(run_id)$
select status
from ops.pipeline_runs
where run_id = :run_id;

-- name: mark_run_dead(run_id, error_summary)!
with dead as (
    update ops.pipeline_runs
    set finished_at = clock_timestamp(), status = 'failure', error_summary = :error_summary
    where run_id = :run_id and status = 'running'
    returning run_id, finished_at
)

update ops.pipeline_steps as step
set finished_at = dead.finished_at, status = 'failure', error_summary = :error_summary
from dead
where step.run_id = dead.run_id and step.status = 'running';
