create table ops.pipeline_runs (
    run_id uuid primary key,
    started_at timestamptz not null,
    finished_at timestamptz,
    status text not null check (status in ('running', 'success', 'failure')),
    error_summary text,
    command text,
    application_version text,
    exit_code smallint,
    check ((status = 'running') = (finished_at is null))
);

create index pipeline_runs_started_at on ops.pipeline_runs (started_at desc);

comment on table ops.pipeline_runs is 'Every execution of the pipeline. Grain: run.';
comment on column ops.pipeline_runs.error_summary is
'One line: step: error [SQLSTATE]: message. Never a row of data, never a secret.';

create table ops.pipeline_steps (
    run_id uuid not null references ops.pipeline_runs (run_id) on delete cascade,
    step text not null,
    attempt smallint not null default 1,
    started_at timestamptz not null,
    finished_at timestamptz,
    status text not null check (status in ('running', 'success', 'failure', 'skipped')),
    rows_in bigint,
    rows_out bigint,
    rows_rejected bigint,
    sqlstate text,
    dbt_invocation_id text,
    input_fingerprint text,
    error_summary text,
    detail jsonb,
    primary key (run_id, step, attempt)
);

create index pipeline_steps_finished_at on ops.pipeline_steps (step, finished_at desc);

comment on table ops.pipeline_steps is
'The steps of each run: migrate, ingest, dbt_build. Grain: run, step, attempt.';
comment on column ops.pipeline_steps.rows_in is 'Rows that the step read.';
comment on column ops.pipeline_steps.rows_out is 'Rows that the step wrote.';
comment on column ops.pipeline_steps.input_fingerprint is
'SHA-256 of all that the step read; a step whose input is unchanged is skipped.';
