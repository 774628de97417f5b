create table ops.file_claims (
    target_schema text not null,
    source text not null,
    source_filename text not null,
    run_id uuid not null,
    claimed_at timestamptz not null default clock_timestamp(),
    primary key (target_schema, source, source_filename)
);

create index file_claims_run_id on ops.file_claims (run_id);

comment on table ops.file_claims is
'Files being loaded now, as workers note them. A row counts only as long as the advisory lock of its file is held: '
'what a dead worker leaves behind means nothing. Grain: file.';

alter table ops.pipeline_runs
add column hint text;

comment on column ops.pipeline_runs.hint is 'One line: what to do about error_summary.';
