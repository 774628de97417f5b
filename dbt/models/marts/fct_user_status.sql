{% set slope_days = 28 %}
{# How many days before its own date a row looks at: the longest window, less the date itself. #}
{% set look_back = [var('recent_days') + var('base_days'), slope_days] | max - 1 %}
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    indexes=[{'columns': ['as_of_date']}],
    pre_hook=[
        "{{ fill_changed_user(users_changed_until(" ~ look_back ~ ")) }}",
        "{% if is_incremental() %}{{ delete_days_after(this, 'as_of_date', ref('int_as_of')) }}{% endif %}",
    ],
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.as_of_date between changed_user.from_date and changed_user.until_date',
    },
) }}

{#
    A row for each day from a user's first record to the as-of date, also after the last record. The steps:

    user_to_build  who gets new rows: users who changed, and users without a row for the as-of date
    user_span      the days to read of each, and the last valid day before them
    steps_by_day   the valid steps of these days; null on a day that is not valid, or is after the last record
    last_and_sums  the last valid day so far, and the sums that the slope is made of
    series         with each day, all steps of the user as one array
    day_windows    the sorted recent window, and the sorted base window before it
    day_counts     how many valid days each window has
    measure        medians, slope
    comparison     the ratio of the medians

    macros/arrays.sql explains the arrays and the functions, with examples; int_user_day_baseline says why each step is
    ordered.
#}
with user_to_build as (

    {% if is_incremental() %}
    select
        extent.user_id,
        extent.first_date,
        extent.last_date,
        as_of.as_of_date,
        changed_user.from_date as changed_from_date,
        changed_user.until_date as changed_until_date,
        coalesce(built.until_date, '-infinity') as built_until_date
    from ({{ user_extents() }}) as extent
    cross join {{ ref('int_as_of') }} as as_of
    left join {{ changed_user(users_changed_until(look_back)) }} on extent.user_id = changed_user.user_id
    left join lateral (
        select max(status.as_of_date) as until_date
        from {{ this }} as status
        where status.user_id = extent.user_id
    ) as built on true
    where changed_user.user_id is not null or coalesce(built.until_date, '-infinity') < as_of.as_of_date
    {% else %}
    select
        changed_user.user_id,
        changed_user.first_date,
        changed_user.last_date,
        as_of.as_of_date,
        changed_user.from_date as changed_from_date,
        changed_user.until_date as changed_until_date,
        date 'infinity' as built_until_date
    from {{ changed_user(users_changed_until(look_back)) }}
    cross join {{ ref('int_as_of') }} as as_of
    where changed_user.first_date is not null
    {% endif %}

),

user_span as (

    select
        span.*,
        {% if is_incremental() %}
        -- before the first day, a row would be from when the user began earlier
        case when span.first_date < span.begin_date then day_before.last_valid_date end as former_valid_date
        {%- else %}
        null::date as former_valid_date
        {%- endif %}
    from (
        select
            *,
            {% if is_incremental() %}
            greatest(first_date, least(changed_from_date, built_until_date + 1) - {{ look_back }}) as begin_date,
            {% else %}
            first_date as begin_date,
            {% endif %}
            case
                when built_until_date >= as_of_date then least(changed_until_date, as_of_date)
                else as_of_date
            end as end_date
        from user_to_build
    ) as span
    {% if is_incremental() %}
    left join {{ this }} as day_before
        on span.user_id = day_before.user_id and day_before.as_of_date = span.begin_date - 1
    {% endif %}

),

steps_by_day as (

    select
        user_span.user_id,
        user_span.first_date,
        user_span.former_valid_date,
        user_day.activity_date as as_of_date,
        case when user_day.is_valid_day then user_day.steps end as steps,
        user_day.activity_date > user_span.built_until_date
        or coalesce(user_day.activity_date between user_span.changed_from_date and user_span.changed_until_date, false)
            as is_wanted
    from user_span
    inner join {{ ref('fct_user_day') }} as user_day
        on
            user_span.user_id = user_day.user_id
            and user_day.activity_date between user_span.begin_date and user_span.end_date

    union all

    select
        user_span.user_id,
        user_span.first_date,
        user_span.former_valid_date,
        user_span.last_date + later as as_of_date,
        null as steps,
        user_span.last_date + later > user_span.built_until_date
        or coalesce(user_span.last_date + later between user_span.changed_from_date and user_span.changed_until_date, false)
            as is_wanted
    from user_span
    cross join lateral generate_series(
        greatest(1, user_span.begin_date - user_span.last_date), user_span.end_date - user_span.last_date
    ) as later

),

last_and_sums as (

    select
        user_id,
        as_of_date,
        steps,
        is_wanted,
        coalesce(max(as_of_date) filter (where steps is not null) over until_day, former_valid_date) as last_valid_date,
        count(steps) over slope_window as n,
        sum(as_of_date - first_date) filter (where steps is not null) over slope_window as sum_x,
        sum((as_of_date - first_date) * (as_of_date - first_date)) filter (where steps is not null) over slope_window as sum_xx,
        sum(steps) over slope_window as sum_y,
        sum((as_of_date - first_date) * steps) over slope_window as sum_xy
    from steps_by_day
    window
        until_day as (
            partition by user_id order by as_of_date
            rows between unbounded preceding and current row
        ),
        slope_window as (
            partition by user_id order by as_of_date
            rows between {{ slope_days - 1 }} preceding and current row
        )

),

-- a step of its own: only the last window function does not copy the rows, and the array is long
series as (

    select
        *,
        (row_number() over all_days)::int as day_number,
        array_agg(coalesce(steps, {{ absent() }})) over all_days as steps_series
    from last_and_sums
    window
        all_days as (
            partition by user_id order by as_of_date
            rows between unbounded preceding and unbounded following
        )

),

day_windows as (

    select
        *,
        intermediate.array_sorted(
            steps_series[day_number - {{ var('recent_days') - 1 }}:day_number]
        ) as recent_sorted,
        intermediate.array_sorted(
            steps_series[day_number - {{ var('recent_days') + var('base_days') - 1 }}:day_number - {{ var('recent_days') }}]
        ) as base_sorted
    from series
    where is_wanted
    order by user_id, as_of_date

),

day_counts as (

    select
        *,
        intermediate.values_in(recent_sorted) as recent_valid_days,
        intermediate.values_in(base_sorted) as base_valid_days
    from day_windows
    order by user_id, as_of_date

),

measure as (

    select
        user_id,
        as_of_date,
        recent_valid_days,
        base_valid_days,
        last_valid_date,
        case
            when recent_valid_days > 0
                then intermediate.twice_median(recent_sorted, recent_valid_days) / 2.0::double precision
        end as recent_median_steps,
        case
            when base_valid_days >= {{ var('min_baseline_days') }}
                then intermediate.twice_median(base_sorted, base_valid_days) / 2.0::double precision
        end as base_median_steps,
        case when n >= {{ var('min_baseline_days') }} then intermediate.slope(n, sum_x, sum_xx, sum_y, sum_xy) end as slope_28d
    from day_counts
    order by user_id, as_of_date

),

comparison as (

    select
        *,
        recent_median_steps / nullif(base_median_steps, 0) as median_ratio
    from measure

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
    slope_28d,
    last_valid_date,
    as_of_date - last_valid_date as days_since_last_valid_day
from comparison
