-- name: latest_run()$
select run_id::text
from ops.pipeline_runs
order by started_at desc
limit 1;

-- name: run(run_id)^
select
    run_id::text as id,
    command,
    started_at,
    finished_at,
    status,
    error_summary as error
from ops.pipeline_runs
where run_id = :run_id;

-- name: steps(run_id)
select
    step as name,
    attempt,
    status,
    started_at,
    extract(epoch from finished_at - started_at)::double precision as seconds,
    rows_in,
    rows_out,
    rows_rejected,
    error_summary as error,
    detail
from ops.pipeline_steps
where run_id = :run_id and step <> 'report'
order by started_at, attempt;

-- name: recent_runs()
select
    run_id::text as id,
    started_at,
    extract(epoch from finished_at - started_at)::double precision as seconds,
    status,
    command,
    error_summary as error
from ops.pipeline_runs
order by started_at desc
limit 12;

-- name: last_report()^
-- where the latest report was written, and the fingerprint of its inputs
select
    input_fingerprint,
    detail ->> 'name' as name,
    detail ->> 'place' as place
from ops.pipeline_steps
where step = 'report' and status in ('success', 'skipped') and input_fingerprint is not null
order by finished_at desc
limit 1;

-- name: nodes(run_id)
-- the nodes of this run; of the latest run that built any where this one built none
select
    node_id,
    resource_type as type,
    status,
    failures,
    rows_affected as rows,
    duration_ms as ms,
    message,
    run_id::text = :run_id as is_of_run
from ops.dbt_node_results
where
    run_id = coalesce(
        (select nodes.run_id from ops.dbt_node_results as nodes where nodes.run_id = :run_id limit 1),
        (select nodes.run_id from ops.dbt_node_results as nodes order by nodes.finished_at desc limit 1)
    )
order by ms desc;

-- name: files_by_status()
select
    source as dataset,
    status,
    count(*) as files,
    sum(rows_read)::bigint as rows_read,
    sum(row_count)::bigint as rows_loaded,
    sum(rows_rejected)::bigint as rows_rejected,
    max(ingested_at) as latest_at
from ops.raw_ingest_manifest
group by source, status
order by source, status;

-- name: latest_files()
-- refused files first, because they need attention
select
    source_filename as name,
    source as dataset,
    status,
    ingested_at,
    rows_read,
    row_count as rows_loaded,
    rows_rejected,
    reason
from ops.raw_ingest_manifest
order by status = 'refused' desc, ingested_at desc, file_id desc
limit 100;

-- name: rejected()
select
    m.source as dataset,
    r.reason,
    r.column_name,
    count(*) as rows_rejected,
    count(distinct r.file_id) as files,
    min(m.source_filename) as example
from ops.rejected_rows as r
inner join ops.raw_ingest_manifest as m on r.file_id = m.file_id
where m.status = 'loaded'
group by m.source, r.reason, r.column_name
order by rows_rejected desc
limit 50;

-- name: marts_exist()$
select
    bool_and(to_regclass('marts.' || name) is not null)
from
    unnest(array[
        'dim_participant', 'fct_user_day', 'fct_user_day_baseline', 'fct_user_day_deviation', 'fct_user_status',
        'fct_data_quality', 'rpt_cohort_engagement', 'rpt_retention', 'rpt_flow', 'rpt_definitions',
        'rpt_unjudged_days', 'rpt_follow_up'
    ]) as name;

-- name: extent()^
-- The as-of date is near the latest day, and an index finds it there. Only if there is none are all statuses read.
select
    coalesce(
        (
            select max(as_of_date)
            from marts.fct_user_status
            where as_of_date >= (select max(activity_date) - 7 from marts.fct_user_day)
        ),
        (select max(as_of_date) from marts.fct_user_status)
    ) as as_of_date,
    (select count(*) from marts.dim_participant where first_record_date is not null) as participants,
    (select count(*) from marts.fct_user_day) as user_days,
    (select min(activity_date) from marts.fct_user_day) as first_date,
    (select max(activity_date) from marts.fct_user_day) as last_date;

-- name: people(as_of_date)
-- everybody: who is on the roster, and who has a day
select
    participant.arm,
    participant.site,
    now.status,
    before.status as status_before,
    count(*) as users
from marts.dim_participant as participant
left join marts.fct_user_status as now
    on participant.user_id = now.user_id and now.as_of_date = :as_of_date::date
left join marts.fct_user_status as before
    on participant.user_id = before.user_id and before.as_of_date = :as_of_date::date - 7
where
    participant.is_on_roster
    or participant.last_valid_date is not null
    or exists (select 1 from marts.fct_user_day as day where day.user_id = participant.user_id)
group by participant.arm, participant.site, now.status, before.status;

-- name: sample(size)
-- of those who need not be called, the ones with the smallest hashes: the same ones tomorrow, whoever joins or leaves
select participant.user_id
from marts.dim_participant as participant
left join marts.rpt_follow_up as called on participant.user_id = called.user_id
where
    called.user_id is null
    and (
        participant.is_on_roster
        or participant.last_valid_date is not null
        or exists (select 1 from marts.fct_user_day as day where day.user_id = participant.user_id)
    )
order by sha256((select key from ops.report_key) || convert_to(participant.user_id, 'UTF8'))
limit :size;

-- name: known(user_ids)
select user_id
from marts.dim_participant
where user_id = any(:user_ids::text []);

-- name: extent_of(shown)^
select
    count(*) as user_days,
    count(distinct user_id) as participants
from marts.fct_user_day
where user_id = any(:shown::text []);

-- name: longest_user_id()$
select max(length(user_id))
from marts.dim_participant;

-- name: user_ids()
select convert_to(user_id, 'UTF8') as user_id
from marts.dim_participant;

-- name: cohort()
-- shares are null in a week of which the cohort has too few people for them
select
    arm,
    site,
    week_start_date,
    as_of_date,
    cohort,
    status,
    users,
    pct,
    median_vs_start
from marts.rpt_cohort_engagement
order by arm <> 'all', arm, site <> 'all', site, week_start_date, cohort, status;

-- name: retention()
select
    arm,
    site,
    day,
    at_risk,
    stopped,
    censored,
    staying,
    staying_low,
    staying_high
from marts.rpt_retention
order by arm <> 'all', arm, site <> 'all', site, day;

-- name: flow()
select
    arm,
    site,
    step,
    description,
    users,
    user_days,
    mean_steps
from marts.rpt_flow
order by arm <> 'all', arm, site <> 'all', site, position;

-- name: definitions()
select
    arm,
    site,
    definition,
    description,
    users,
    user_days,
    mean_steps
from marts.rpt_definitions
order by arm <> 'all', arm, site <> 'all', site, position;

-- name: unjudged()
-- why participant-days cannot be flagged
select
    arm,
    site,
    reason,
    description,
    users,
    user_days
from marts.rpt_unjudged_days
order by arm <> 'all', arm, site <> 'all', site, position;

-- name: quality()
select
    rule,
    rows_in,
    rows_out,
    rows_rejected,
    rows_deduplicated,
    overlap_conflicts
from marts.fct_data_quality
where checked_at = (select max(latest.checked_at) from marts.fct_data_quality as latest)
order by rule;

-- name: days(max_days, shown)
-- One row per participant, of all or of those shown: the counts of all days, and the latest days in date order, eight
-- bytes a day for numbers and two for flags. Whoever is on the roster and has no days has none here. The spread is of
-- logarithms: in thousandths. The rows are sorted by pseudonym, because the order of the user ids would reveal them. They
-- are sorted before their days are looked up in the index of the days, so that the days need no sorting and packing can
-- begin at once.
with secret as (

    select key
    from ops.report_key
    limit 1

),

-- both have a row for everybody: an outer join of rows from a union would gather them all on one node of Citus
total as (

    select
        user_id,
        min(activity_date) as first_date,
        max(activity_date) as last_date,
        count(activity_date) as days,
        count(*) filter (where is_valid_day) as valid_days,
        count(minutes_asleep) as nights
    from (
        select
            user_id,
            activity_date,
            is_valid_day,
            minutes_asleep
        from marts.fct_user_day
        where :shown::text [] is null or user_id = any(:shown::text [])

        union all

        select
            user_id,
            null as activity_date,
            false as is_valid_day,
            null as minutes_asleep
        from marts.dim_participant
        where is_on_roster and (:shown::text [] is null or user_id = any(:shown::text []))
    ) as user_day
    group by user_id

),

alert as (

    select
        user_id,
        array_agg(activity_date) filter (where activity_date is not null) as dates
    from (
        select
            user_id,
            activity_date
        from marts.fct_user_day_deviation
        where metric = 'steps' and is_alert and (:shown::text [] is null or user_id = any(:shown::text []))

        union all

        select
            user_id,
            null as activity_date
        from marts.dim_participant
        where :shown::text [] is null or user_id = any(:shown::text [])
    ) as alert_day
    group by user_id

),

participant as (

    select
        total.user_id,
        sha256(secret.key || convert_to(total.user_id, 'UTF8')) as pseudonym,
        total.first_date,
        coalesce(total.last_date - :max_days::int, '-infinity') as packed_after,
        total.days,
        total.valid_days,
        total.nights,
        alert.dates as alert_dates
    from total
    cross join secret
    inner join alert on total.user_id = alert.user_id
    order by pseudonym

)

select
    convert_to(participant.user_id, 'UTF8') as user_id,
    participant.pseudonym,
    participant.first_date,
    participant.days,
    participant.valid_days,
    coalesce(cardinality(participant.alert_dates), 0) as alerts,
    participant.nights,
    coalesce(latest.numbers, '') as numbers,
    coalesce(latest.flags, '') as flags
from participant
cross join lateral (
    select
        string_agg(
            int8send(
                ((case when day.steps is null then 65535 else least(day.steps, 65534) end - 32768)::bigint << 48)
                | (case when usual.median is null then 65535 else least(round(usual.median), 65534) end::bigint << 32)
                | (case when usual.mad is null then 65535 else least(round(1000 * usual.mad), 6553) end::bigint << 16)
                | case when day.minutes_asleep is null then 65535 else least(day.minutes_asleep, 65534) end::bigint
            ),
            '' order by day.activity_date
        ) as numbers,
        string_agg(
            int2send((
                case day.invalid_reason
                    when 'no_record' then 1
                    when 'partial_day' then 2
                    when 'not_worn' then 3
                    when 'steps_missing' then 4
                    when 'steps_below_min' then 5
                    when 'steps_above_max' then 6
                    else 0
                end
                + 8 * coalesce(day.activity_date = any(participant.alert_dates), false)::int
                + 16 * (1 + coalesce(day.wear_hours, -1))
            )::smallint),
            '' order by day.activity_date
        ) as flags
    from marts.fct_user_day as day
    -- each day has its row there
    inner join marts.fct_user_day_baseline as usual
        on
            day.user_id = usual.user_id
            and day.activity_date = usual.activity_date
            and usual.activity_date > participant.packed_after
            and usual.metric = 'steps'
    where day.user_id = participant.user_id and day.activity_date > participant.packed_after
) as latest
order by participant.pseudonym;

-- name: participants(as_of_date, shown)
-- Of all participants or of those shown. statuses: four bytes for each day with a status, 256 times the days since 1970
-- plus the letter of the status. They are in no order: sorting the days of everybody here takes longer than all the rest.
with history as (

    select
        user_id,
        string_agg(
            int4send(256 * (as_of_date - date '1970-01-01') + ascii(
                case status
                    when 'increasing' then 'i'
                    when 'stable' then 's'
                    when 'declining' then 'd'
                    when 'wearing_less' then 'w'
                    when 'never_started' then '0'
                    when 'stopped' then 'x'
                    when 'new' then 'n'
                    when 'completed' then 'c'
                    when 'withdrawn' then 'l'
                end
            )),
            ''
        ) as statuses
    from marts.fct_user_status
    where :shown::text [] is null or user_id = any(:shown::text [])
    group by user_id

)

select
    known.user_id,
    now.status,
    before.status as status_before,
    now.since_date,
    now.vs_start,
    now.vs_recent,
    now.evidence,
    now.threshold,
    now.recent_valid_days,
    now.recent_median_steps,
    now.base_median_steps,
    now.start_median_steps,
    now.start_valid_days,
    now.last_worn_date,
    now.wear_hours_ratio,
    now.wearing_less_by,
    participant.enrolled_on,
    participant.left_on,
    participant.arm,
    participant.site,
    history.statuses
from (
    select user_id
    from marts.fct_user_status
    where as_of_date = :as_of_date

    union

    -- whoever is not enrolled yet has no status
    select user_id
    from marts.dim_participant
) as known
left join marts.dim_participant as participant on known.user_id = participant.user_id
left join marts.fct_user_status as now on known.user_id = now.user_id and now.as_of_date = :as_of_date
left join marts.fct_user_status as before
    on known.user_id = before.user_id and before.as_of_date = :as_of_date::date - 7
left join history on known.user_id = history.user_id
where :shown::text [] is null or known.user_id = any(:shown::text []);

-- name: user_ids_of(prefix_bytes, prefix)
-- the participants whose hash begins with a prefix; a pseudonym is the prefix of a hash
select user_id
from marts.dim_participant
where substr(sha256((select key from ops.report_key) || convert_to(user_id, 'UTF8')), 1, :prefix_bytes) = :prefix
order by user_id;

-- name: pseudonyms_of(user_ids)
select
    named.user_id,
    sha256((select key from ops.report_key) || convert_to(named.user_id, 'UTF8')) as pseudonym
from unnest(:user_ids::text []) as named (user_id);

-- name: manifest_state()$
-- changes whenever a file is loaded, replaced, retracted or replayed
select concat_ws(' ', count(*), max(file_id), sum(row_count), sum(rows_rejected), sum(rows_erased))
from ops.raw_ingest_manifest;

-- name: set_memory#
set local work_mem = '64MB';
set local jit = off;

-- name: is_connected()$
select true;
