{{ config(materialized='table', meta={'distribution': 'coordinator'}) }}

{#
    The steps:

    present   the status of everybody who is in the study on the as-of date, since when it has been said, and the latest day worn
              of all days, also later ones
    device    what is known of the device: its last synchronisation, and its charge
    episode   whom to call, and why
    caused    whether it is the person or the device
#}
{# The statuses that somebody is called for, by the reason that they are. #}
{% set reasons = {'never_started': 'never_started', 'stopped': 'stopped', 'wearing_less': 'wearing_less', 'declining': 'moving_less'} %}
{# In this order somebody is called, among those of whom it is said as recently. #}
{% set order = ['not_synchronising', 'never_started', 'stopped', 'wearing_less', 'moving_less'] %}

{% set today %}
    select *
    from {{ ref('fct_user_status') }}
    where
        -- an array of one day: with a join the planner would read the status of every day
        as_of_date = any(array(select as_of.as_of_date from {{ ref('int_as_of') }} as as_of))
        and status not in ('withdrawn', 'completed')
{% endset %}
{% set of_today = spread('today', 'user_id', today) %}
{# The first day on which the status was said, since when it has been said without a break. #}
{% set said %}
    select
        called.user_id,
        history.said_on
    from {{ of_today }} as called
    cross join lateral (
        select coalesce(max(earlier.as_of_date) filter (where earlier.status <> called.status) + 1, min(earlier.as_of_date)) as said_on
        from {{ ref('fct_user_status') }} as earlier
        where
            earlier.user_id = called.user_id
            -- who has stopped or never started is said to have after so many days
            and earlier.as_of_date
            between case when called.status in ('stopped', 'never_started') then called.since_date - 1 else '-infinity' end
            and least(
                called.as_of_date,
                case called.status
                    when 'stopped' then called.since_date + {{ var('recent_days') }}
                    when 'never_started' then called.since_date + {{ var('never_started_after_days') }}
                end
            )
    ) as history
    where called.status in ('{{ reasons | join("', '") }}')
{% endset %}
{% set said_by_user = spread('said', 'user_id', said) %}

with synced as (

    select
        user_id,
        max(last_synced_at)::date as last_sync_date
    from {{ ref('int_user_device') }}
    where last_synced_at is not null
    group by user_id

),

charged as (

    select distinct on (user_id)
        user_id,
        level_percent as battery_percent,
        state as battery_state,
        last_read_at::date as battery_read_date
    from {{ ref('int_user_device') }}
    where last_read_at is not null
    order by user_id asc, last_read_at desc, file_name collate "C" desc, level_percent desc nulls last, state desc nulls last

),

present as (

    select
        today.*,
        participant.arm,
        participant.site,
        participant.last_record_date,
        latest.last_worn_date as latest_worn_date,
        said.said_on
    from {{ of_today }} as today
    inner join {{ ref('dim_participant') }} as participant on today.user_id = participant.user_id
    left join {{ ref('int_user_extent') }} as extent on today.user_id = extent.user_id
    left join {{ ref('int_user_day_level') }} as latest
        on extent.user_id = latest.user_id and extent.last_date = latest.activity_date
    left join {{ said_by_user }} as said on today.user_id = said.user_id
    where coalesce(participant.enrolled_on <= today.as_of_date, true)

),

device as (

    select
        present.*,
        synced.last_sync_date,
        charged.battery_percent,
        charged.battery_state,
        charged.battery_read_date,
        -- a file of synchronisations may be older than the other data: later ones are not known
        least(present.as_of_date, known.until_date) as syncs_until_date,
        coalesce(present.latest_worn_date <= synced.last_sync_date + 1, true) as data_end_with_sync,
        charged.battery_read_date >= synced.last_sync_date - {{ var('battery_read_days') }}
        and (
            charged.battery_percent <= {{ var('battery_low_percent') }}
            or lower(charged.battery_state) in ('low', 'empty')
        ) as is_battery_low
    from present
    left join synced on present.user_id = synced.user_id
    left join charged on present.user_id = charged.user_id
    cross join (select max(latest.last_sync_date) as until_date from synced as latest) as known

),

reasoned as (

    select
        *,
        case
            when status = 'never_started' then 'never_started'
            when
                data_end_with_sync
                and syncs_until_date - last_sync_date >= {{ var('not_synced_after_days') }}
                -- who had stopped by then has stopped
                and not (status = 'stopped' and said_on <= last_sync_date)
                then 'not_synchronising'
            {% for status, reason in reasons.items() if status != 'never_started' %}
            when status = '{{ status }}' then '{{ reason }}'
            {% endfor %}
        end as reason
    from device

),

episode as (

    select
        user_id,
        arm,
        site,
        as_of_date,
        reason,
        status,
        wearing_less_by,
        case when reason = 'not_synchronising' then last_sync_date + 1 else coalesce(since_date, said_on) end as since_date,
        case when reason = 'not_synchronising' then last_sync_date + {{ var('not_synced_after_days') }} else said_on end as said_on,
        case reason
            when 'not_synchronising' then as_of_date - last_sync_date
            when 'never_started' then as_of_date - since_date
            else evidence
        end::double precision as evidence,
        case reason
            when 'not_synchronising' then {{ var('not_synced_after_days') }}
            when 'never_started' then {{ var('never_started_after_days') }}
            else threshold
        end::double precision as threshold,
        last_sync_date,
        syncs_until_date,
        data_end_with_sync,
        coalesce(is_battery_low, false) as is_battery_low,
        battery_percent,
        battery_state,
        battery_read_date,
        last_record_date,
        last_valid_date,
        last_worn_date,
        start_median_steps as usual_steps,
        recent_median_steps as recent_steps
    from reasoned
    where reason is not null

),

caused as (

    select
        *,
        case
            when reason = 'moving_less' then null
            when reason = 'not_synchronising' then 'not_synchronised'
            -- it was said while the device synchronised, or the greater part of the days lies before the last time
            when said_on <= last_sync_date or last_sync_date - since_date + 1 > as_of_date - last_sync_date then 'not_worn'
            when data_end_with_sync and syncs_until_date - last_sync_date > as_of_date - syncs_until_date then 'not_synchronised'
            else 'unknown'
        end as cause
    from episode

)

select
    row_number() over (
        order by
            (as_of_date - said_on >= {{ var('recent_days') }}),
            array_position(array['{{ order | join("', '") }}'], reason),
            said_on desc,
            -- the order of the ids would tell who is who in a list of pseudonyms
            sha256(convert_to(user_id, 'UTF8'))
    )::int as position,
    user_id,
    arm,
    site,
    as_of_date,
    reason,
    status,
    wearing_less_by,
    since_date,
    said_on,
    case
        when reason in ('never_started', 'not_synchronising', 'stopped') or wearing_less_by = 'no_valid_day' then 'counted'
        -- a share of the usual hours: the smaller, the clearer
        when
            case
                when wearing_less_by = 'fewer_hours' then evidence * {{ var('clear_evidence') }} <= threshold
                else evidence >= threshold * {{ var('clear_evidence') }}
            end
            then 'clear'
        when wearing_less_by = 'fewer_hours' or evidence >= threshold then 'likely'
        else 'fading'
    end as certainty,
    evidence,
    threshold,
    case when cause = 'not_synchronised' and is_battery_low then 'battery_low' else cause end as cause,
    last_sync_date,
    battery_percent,
    battery_state,
    battery_read_date,
    last_record_date,
    last_valid_date,
    last_worn_date,
    usual_steps,
    recent_steps
from caused
