-- name: lock(name)^
-- of runs that end at the same time, only one notifies the channels
select pg_advisory_xact_lock(hashtextextended(:name, 0));

-- name: set_limits()^
select
    set_config('statement_timeout', '5s', true) as statement_timeout,
    set_config('lock_timeout', '5s', true) as lock_timeout;

-- name: current_alerts()
-- what is open, and what was closed recently: its end may still have to be sent
select
    alert_id,
    topic,
    cause,
    opened_at,
    last_seen_at,
    times,
    summary,
    run_id::text,
    told,
    closed_at,
    end_told
from ops.alerts
where closed_at is null or closed_at > now() - interval '7 days'
order by alert_id;

-- name: insert_alert(topic, cause, opened_at, last_seen_at, times, summary, run_id, told, closed_at, end_told)!
insert into ops.alerts (
    topic, cause, opened_at, last_seen_at, times, summary, run_id, told, closed_at, end_told
)
values (
    :topic, :cause, :opened_at, :last_seen_at, :times, :summary, :run_id, :told, :closed_at, :end_told
);

-- name: update_alert(alert_id, last_seen_at, times, summary, run_id, told, closed_at, end_told)!
update ops.alerts
set
    last_seen_at = :last_seen_at,
    times = :times,
    summary = :summary,
    run_id = :run_id,
    told = :told,
    closed_at = :closed_at,
    end_told = :end_told
where alert_id = :alert_id;

-- name: command_of(run_id)^
select
    command,
    started_at
from ops.pipeline_runs
where run_id = :run_id;
