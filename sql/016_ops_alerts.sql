create table ops.alerts (
    alert_id bigint generated always as identity primary key,
    topic text not null,
    cause text not null,
    opened_at timestamptz not null,
    last_seen_at timestamptz not null,
    times integer not null check (times > 0),
    summary text not null,
    run_id uuid,
    told jsonb not null default '{}',
    closed_at timestamptz,
    end_told jsonb not null default '{}'
);

create unique index alerts_open on ops.alerts (topic, cause) where closed_at is null;

comment on table ops.alerts is
'What was wrong, from its first sign to its end, and who was told. Grain: topic, cause, from opening to closing.';
comment on column ops.alerts.topic is
'What it is about: failure/run, stale/sleep, quarantine/<file>. No user id.';
comment on column ops.alerts.cause is
'What tells one failure from another: step, error, SQLSTATE, dbt node or file. No user id.';
comment on column ops.alerts.times is 'Runs that have seen it.';
comment on column ops.alerts.summary is 'One redacted line.';
comment on column ops.alerts.run_id is 'The latest run that has seen it.';
comment on column ops.alerts.told is 'Channels that were told of it, and when last.';
comment on column ops.alerts.end_told is 'Channels that were told of its end.';
