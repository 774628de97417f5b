-- name: runs_exists()$
select to_regclass('ops.pipeline_runs') is not null;

-- name: start_run(run_id, started_at)!
-- only the columns that every version has, because sql/ may not have been applied yet
insert into ops.pipeline_runs (run_id, started_at, status)
values (:run_id, :started_at, 'running')
on conflict (run_id) do nothing;

-- name: describe_run(run_id, command, application_version, exit_code, hint)!
update ops.pipeline_runs
set command = :command, application_version = :application_version, exit_code = :exit_code, hint = :hint
where run_id = :run_id;

-- name: finish_run(run_id, finished_at, status, error_summary)!
update ops.pipeline_runs
set finished_at = :finished_at, status = :status, error_summary = :error_summary
where run_id = :run_id;

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

-- name: running()
select run_id::text
from ops.pipeline_runs
where status = 'running'
order by started_at;

-- name: mark_run_dead(run_id, error_summary)!
update ops.pipeline_runs
set finished_at = clock_timestamp(), status = 'failure', error_summary = :error_summary
where run_id = :run_id and status = 'running';

-- name: mark_steps_dead(run_id, error_summary)!
update ops.pipeline_steps
set finished_at = clock_timestamp(), status = 'failure', error_summary = :error_summary
where run_id = :run_id and status = 'running';
