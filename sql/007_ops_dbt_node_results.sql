create table ops.dbt_node_results (
    run_id uuid not null,
    dbt_invocation_id text not null,
    node_id text not null,
    resource_type text not null,
    status text not null,
    failures integer,
    rows_affected bigint,
    duration_ms integer not null,
    message text,
    finished_at timestamptz not null default now(),
    primary key (dbt_invocation_id, node_id)
);

create index dbt_node_results_run_id on ops.dbt_node_results (run_id);

comment on table ops.dbt_node_results is
'What became of each dbt model and test. Grain: dbt invocation, node.';
comment on column ops.dbt_node_results.failures is 'For a test: the rows that failed it.';
