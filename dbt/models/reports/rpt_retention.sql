{# The normal quantile of 0.975, for an interval of 95 per cent. #}
{% set z = '1.959963984540054::double precision' %}
{{ config(materialized='table', meta={'distribution': 'coordinator'}) }}

{#
    Kaplan and Meier (1958). Of n people at risk on a day, d stop: the share that stays is the product of 1 - d / n over all days so
    far. Its variance is Greenwood's (1926), staying^2 * sum(d / (n (n - d))); the interval is that of ln(-ln(staying)), so it
    stays between 0 and 1.

    Example: of four people, one stops on day 10, one is last seen then, and one stops on day 20. The share is 3/4 from day 10
    and 3/4 * 1/2 = 3/8 from day 20.
#}
{% set followed_until %}
    select
        participant.user_id,
        as_of.as_of_date,
        coalesce(participant.enrolled_on, extent.first_date, as_of.study_first_date) as origin,
        -- least() leaves out nulls
        least(as_of.as_of_date, participant.left_on) as until_date,
        participant.withdrawn_on <= least(as_of.as_of_date, participant.ends_on) as has_withdrawn
    from {{ ref('dim_participant') }} as participant
    cross join {{ ref('int_as_of') }} as as_of
    left join {{ ref('int_user_extent') }} as extent on participant.user_id = extent.user_id
    where participant.is_on_roster or extent.first_date is not null
{% endset %}

-- looks up the last valid day of each: reading all days would take longer than the rest
with followed as (

    select
        participant.user_id,
        coalesce(latest.valid_date - participant.origin + 1, 0) as duration,
        coalesce(participant.has_withdrawn, false)
        or participant.until_date - coalesce(latest.valid_date, participant.origin) >= {{ var('gone_after_days') }} as has_stopped
    from {{ spread('followed', 'user_id', followed_until) }} as participant
    cross join lateral (
        select max(user_day.activity_date) as valid_date
        from {{ ref('fct_user_day') }} as user_day
        where
            user_day.user_id = participant.user_id
            and user_day.activity_date between participant.origin and participant.until_date
            and user_day.is_valid_day
    ) as latest
    where participant.origin <= participant.as_of_date

),

person as {{ read_twice() }} (

    select
        grouped.arm,
        grouped.site,
        followed.duration,
        followed.has_stopped
    from followed
    inner join ({{ participant_groups() }}) as grouped on followed.user_id = grouped.user_id

),

event as (

    select
        arm,
        site,
        duration as day,
        has_stopped::int as stopped,
        (not has_stopped)::int as censored
    from person

    union all

    -- day 0, also if nothing happens on it
    select distinct
        arm,
        site,
        0 as day,
        0 as stopped,
        0 as censored
    from person

),

counted as (

    select
        arm,
        site,
        day,
        sum(stopped)::double precision as stopped,
        sum(censored)::double precision as censored,
        sum(sum(stopped + censored)) over (
            partition by arm, site order by day
            rows between current row and unbounded following
        )::double precision as at_risk
    from event
    group by arm, site, day

),

-- ln(staying) and its standard error; a day on which the last ones stop has no logarithm
summed as (

    select
        *,
        bool_or(stopped = at_risk) over until_day as is_nobody_left,
        coalesce(sum(ln(nullif(1 - stopped / at_risk, 0))) over until_day, 0) as log_staying,
        sqrt(coalesce(sum(stopped / (at_risk * nullif(at_risk - stopped, 0))) over until_day, 0)) as log_error
    from counted
    window until_day as (partition by arm, site order by day)

)

select
    arm,
    site,
    day,
    at_risk::int as at_risk,
    stopped::int as stopped,
    censored::int as censored,
    case when is_nobody_left then 0 else exp(log_staying) end as staying,
    case
        when is_nobody_left then 0
        when log_staying = 0 then 1
        else exp(log_staying * exp({{ z }} * log_error / -log_staying))
    end as staying_low,
    case
        when is_nobody_left then 0
        when log_staying = 0 then 1
        else exp(log_staying * exp(-{{ z }} * log_error / -log_staying))
    end as staying_high
from summed
