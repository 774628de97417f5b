-- name: set_limits()^
-- a digest that the database delays must not delay the end of a run
select
    set_config('statement_timeout', '30s', true) as statement_timeout,
    set_config('lock_timeout', '5s', true) as lock_timeout;

-- name: claim(week_of, channel, run_id, seconds, force)$
-- a claim that is older than any attempt may last is of a process that has died
insert into ops.digests as known (week_of, channel, run_id, claimed_at)
values (:week_of, :channel, :run_id, clock_timestamp())
on conflict (week_of, channel) do update
set
    run_id = excluded.run_id,
    claimed_at = excluded.claimed_at,
    attempts = known.attempts + 1
where
    :force
    or (
        known.sent_at is null
        and coalesce(known.claimed_at < clock_timestamp() - make_interval(secs => :seconds), true)
    )
returning known.channel;

-- name: first_sent(week_of)$
-- what the first digest of the week described
select min(as_of_date)
from ops.digests
where week_of = :week_of and sent_at is not null;

-- name: record_sent(week_of, channel, as_of_date)!
update ops.digests
set
    sent_at = clock_timestamp(),
    as_of_date = :as_of_date,
    error = null
where week_of = :week_of and channel = :channel;

-- name: record_failure(week_of, channel, error, is_over)!
-- without an end, nobody knows whether it was sent: the claim stays until it is old
update ops.digests
set
    claimed_at = case when not :is_over then claimed_at end,
    error = :error
where week_of = :week_of and channel = :channel;

-- name: status_counts(as_of_date, before)
select
    status,
    count(*) filter (where as_of_date = :as_of_date::date) as users,
    count(*) filter (where as_of_date = :before::date) as users_before
from marts.fct_user_status
where as_of_date in (:as_of_date::date, :before::date)
group by status;

-- name: places()
select
    arm,
    site
from marts.dim_participant;

-- name: refused_files(target_schema)
select
    source as dataset,
    count(*) as files
from ops.raw_ingest_manifest
where target_schema = :target_schema and status = 'refused'
group by source
order by source;

-- name: rejected_rows(target_schema, days)
select
    m.source as dataset,
    count(*) as rows_rejected
from ops.rejected_rows as r
inner join ops.raw_ingest_manifest as m on r.file_id = m.file_id
where
    m.target_schema = :target_schema
    and m.status = 'loaded'
    and r.rejected_at > clock_timestamp() - make_interval(days => :days)
group by m.source
order by m.source;

-- name: incidents()
-- by the first part of the topic, because the rest may be the name of a file
select
    case when starts_with(topic, 'failure/') then topic else substring(topic from '^[a-z]+') end as topic,
    min(opened_at) as since
from ops.alerts
where closed_at is null
group by 1
order by 2, 1;
