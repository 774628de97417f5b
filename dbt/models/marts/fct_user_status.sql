{% set look_back = var('recent_days') + var('base_days') %}
{% set slope_days = 28 %}
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    indexes=[{'columns': ['as_of_date']}],
    pre_hook="{% if is_incremental() %}delete from {{ this }} where as_of_date > (select as_of_date from {{ ref('int_as_of') }}){% endif %}",
    post_hook="{{ consume(ref('int_user_change')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 't.as_of_date >= c.from_date',
    },
) }}

{#
    Every user has a row a day up to the as-of date, also after the last record. The two windows are slices of the user's
    array of valid steps, as in int_user_day_baseline.
#}
with changed_user as (
    {{ changed_users() }}
),

user_extent as (
    {% if is_incremental() %}
    select distinct on (log.user_id)
        log.user_id,
        log.first_date,
        least(changed_user.from_date, built.until_date + 1) as from_date
    from {{ ref('int_user_change') }} as log
    left join changed_user on log.user_id = changed_user.user_id
    left join lateral (
        select max(status.as_of_date) as until_date
        from {{ this }} as status
        where status.user_id = log.user_id
    ) as built on true
    order by log.user_id asc, log.changed_at desc
    {% else %}
    select user_id, first_date, from_date from changed_user
    {% endif %}
),

calendar as (

    select
        user_extent.user_id,
        user_extent.first_date,
        user_extent.from_date,
        greatest(user_extent.first_date, user_extent.from_date - {{ look_back }}) + day_number as as_of_date
    from user_extent
    cross join {{ ref('int_as_of') }} as as_of
    cross join lateral generate_series(
        0, as_of.as_of_date - greatest(user_extent.first_date, user_extent.from_date - {{ look_back }})
    ) as day_number
    where user_extent.first_date is not null

),

amount as (

    select
        calendar.user_id,
        calendar.as_of_date,
        calendar.as_of_date >= calendar.from_date as is_wanted,
        case when user_day.is_valid_day then user_day.steps end as steps,
        case when user_day.is_valid_day then calendar.as_of_date - calendar.first_date end as x
    from calendar
    left join lateral (
        select
            day.is_valid_day,
            day.steps
        from {{ ref('fct_user_day') }} as day
        where day.user_id = calendar.user_id and day.activity_date = calendar.as_of_date
        {% if is_incremental() %}limit 1{% endif %}
    ) as user_day on true

),

counted as (

    select
        *,
        count(steps) over until_day as valid_until,
        count(steps) over before_recent as valid_before_recent,
        count(steps) over before_base as valid_before_base,
        count(steps) over slope as n,
        sum(x) over slope as sum_x,
        sum(x * x) over slope as sum_xx,
        sum(steps) over slope as sum_y,
        sum(x * steps) over slope as sum_xy
    from amount
    window
        until_day as (
            partition by user_id order by as_of_date
            rows between unbounded preceding and current row
        ),
        before_recent as (
            partition by user_id order by as_of_date
            rows between unbounded preceding and {{ var('recent_days') }} preceding
        ),
        before_base as (
            partition by user_id order by as_of_date
            rows between unbounded preceding and {{ look_back }} preceding
        ),
        slope as (
            partition by user_id order by as_of_date
            rows between {{ slope_days - 1 }} preceding and current row
        )

),

series as (

    select
        *,
        array_agg(steps::bigint) filter (where steps is not null) over all_days as steps_series
    from counted
    window
        all_days as (
            partition by user_id order by as_of_date
            rows between unbounded preceding and unbounded following
        )

),

sorted as (

    select
        *,
        (valid_until - valid_before_recent)::int as recent_valid_days,
        (valid_before_recent - valid_before_base)::int as base_valid_days,
        intermediate.array_sorted(
            steps_series[valid_before_recent + 1:valid_until]
        ) as recent_sorted,
        case
            when valid_before_recent - valid_before_base >= {{ var('min_baseline_days') }}
                then intermediate.array_sorted(
                    steps_series[valid_before_base + 1:valid_before_recent]
                )
        end as base_sorted
    from series
    where is_wanted
    order by user_id, as_of_date

),

measured as (

    select
        user_id,
        as_of_date,
        recent_valid_days,
        base_valid_days,
        {{ twice_median('recent_sorted', 'recent_valid_days') }} / 2.0::double precision as recent_median_steps,
        {{ twice_median('base_sorted', 'base_valid_days') }} / 2.0::double precision as base_median_steps,
        case
            when n >= {{ var('min_baseline_days') }}
                then (n * sum_xy - sum_x * sum_y)::double precision / nullif(n * sum_xx - sum_x * sum_x, 0)
        end as slope_28d
    from sorted
    order by user_id, as_of_date

),

compared as (

    select
        *,
        recent_median_steps / nullif(base_median_steps, 0) as median_ratio
    from measured

)

select
    user_id,
    as_of_date,
    case
        when base_valid_days < {{ var('min_baseline_days') }} then 'insufficient_baseline'
        when recent_valid_days = 0 then 'lapsed'
        when recent_valid_days <= {{ var('disengaging_max_valid_days') }} then 'disengaging'
        when median_ratio < {{ var('declining_below_ratio') }} then 'declining'
        when median_ratio > {{ var('increasing_above_ratio') }} then 'increasing'
        else 'stable'
    end as status,
    recent_valid_days,
    base_valid_days,
    recent_median_steps,
    base_median_steps,
    median_ratio,
    slope_28d
from compared
