{% set recent = var('recent_days') %}
{% set recent_and_base = recent + var('base_days') %}
{# How many days before its own date a row looks at. #}
{% set look_back = [recent_and_base, 2 * recent] | max - 1 %}
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    indexes=[{'columns': ['as_of_date']}],
    pre_hook=[
        "{{ fill_changed_user() }}",
        "{% if is_incremental() %}{{ delete_days_after(this, 'as_of_date', ref('int_as_of')) }}{% endif %}",
    ],
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.as_of_date >= changed_user.from_date',
    },
) }}

{#
    A row for each day from a user's first record to the as-of date, also after the last record. The steps:

    user_span   the rows to build of each user: from a change on, and those up to the as-of date that are missing
    series      the days that these rows look at, as one array a measure (macros/arrays.sql explains the arrays)
    dated       the days, each with its place in the arrays
    day_windows the sorted windows of each day, and its row of int_user_day_level, or the last one after the last record
    counted     how many values each window has
#}
{% set amounts = {'steps': 'steps', 'minutes': 'wear_minutes', 'hours': 'wear_hours'} %}

with user_span as (

    select
        extent.user_id,
        extent.last_date,
        as_of.as_of_date as end_date,
        {% if is_incremental() %}
        greatest(extent.first_date, least(changed_user.from_date, built.until_date + 1)) as begin_date
        {%- else %}
        extent.first_date as begin_date
        {%- endif %}
    from ({{ user_extents() }}) as extent
    cross join {{ ref('int_as_of') }} as as_of
    {% if is_incremental() %}
    left join {{ changed_user() }} on extent.user_id = changed_user.user_id
    left join lateral (
        select coalesce(max(status.as_of_date), '-infinity') as until_date
        from {{ this }} as status
        where status.user_id = extent.user_id
    ) as built on true
    where changed_user.user_id is not null or built.until_date < as_of.as_of_date
    {% endif %}

),

series as (

    select
        user_span.*,
        days.*
    from user_span
    cross join lateral (
        select
            min(user_day.activity_date) as series_date,
            {% for name, column in amounts.items() %}
            array_agg(
                coalesce(case when user_day.is_valid_day then user_day.{{ column }} end, {{ absent() }})
                order by user_day.activity_date
            ) as {{ name }}{{ ',' if not loop.last }}
            {% endfor %}
        from {{ ref('fct_user_day') }} as user_day
        where
            user_day.user_id = user_span.user_id
            and user_day.activity_date >= user_span.begin_date - {{ look_back }}
    ) as days

),

dated as (

    select
        series.*,
        series.begin_date + later as as_of_date,
        series.begin_date + later - series.series_date + 1 as number
    from series
    cross join lateral generate_series(0, series.end_date - series.begin_date) as later

),

day_windows as (

    select
        dated.user_id,
        dated.as_of_date,
        own_level.*,
        dated.as_of_date - own_level.last_worn_date as days_since_last_worn,
        windows.*
    from dated
    inner join lateral (
        select
            known.last_valid_date,
            known.last_worn_date,
            known.start_valid_days,
            known.start_median_steps,
            known.start_wear_minutes,
            known.start_wear_hours,
            known.start_wear_rate,
            known.cusum_down,
            known.cusum_up,
            known.cusum_wear,
            known.is_declining,
            known.is_increasing,
            known.is_wearing_less,
            known.down_since,
            known.up_since,
            known.wear_since
        from {{ ref('int_user_day_level') }} as known
        where known.user_id = dated.user_id and known.activity_date = least(dated.as_of_date, dated.last_date)
        {{ one_row() }}
    ) as own_level on true
    cross join lateral (
        select
            {{ intermediate() }}.array_sorted(dated.steps[dated.number - {{ recent - 1 }}:dated.number]) as recent_steps,
            {{ intermediate() }}.array_sorted(
                dated.steps[dated.number - {{ recent_and_base - 1 }}:dated.number - {{ recent }}]
            ) as base_steps,
            case
                when own_level.start_wear_minutes > 0
                    then {{ intermediate() }}.array_sorted(dated.minutes[dated.number - {{ recent - 1 }}:dated.number])
            end as recent_minutes,
            case
                when own_level.start_wear_hours > 0
                    then {{ intermediate() }}.array_sorted(dated.hours[dated.number - {{ recent - 1 }}:dated.number])
            end as recent_hours,
            -- the recent days as of the last day worn
            case
                when dated.as_of_date - own_level.last_worn_date between {{ var('stopped_after_days') }} and {{ recent - 1 }}
                    then {{ intermediate() }}.values_among(
                        dated.steps[
                            dated.number - (dated.as_of_date - own_level.last_worn_date) - {{ recent - 1 }}:
                            dated.number - (dated.as_of_date - own_level.last_worn_date)
                        ]
                    )
            end as valid_days_before_stop
        -- keeps the planner from copying the sorting into each place that reads it
        limit all
    ) as windows

),

counted as (

    select
        day_windows.*,
        counts.*
    from day_windows
    cross join lateral (
        select
            coalesce({{ intermediate() }}.values_in(day_windows.recent_steps), 0) as recent_valid_days,
            coalesce({{ intermediate() }}.values_in(day_windows.base_steps), 0) as base_valid_days,
            {{ intermediate() }}.values_in(day_windows.recent_minutes) as recent_minutes_days,
            {{ intermediate() }}.values_in(day_windows.recent_hours) as recent_hours_days
        limit all
    ) as counts

)

select
    user_id,
    as_of_date,
    recent_valid_days::smallint as recent_valid_days,
    base_valid_days::smallint as base_valid_days,
    case
        when recent_valid_days > 0 then ({{ intermediate() }}.twice_median(recent_steps, recent_valid_days) / 2.0::real)::real
    end as recent_median_steps,
    case
        when base_valid_days >= {{ var('min_baseline_days') }}
            then ({{ intermediate() }}.twice_median(base_steps, base_valid_days) / 2.0::real)::real
    end as base_median_steps,
    coalesce(
        case
            when recent_minutes_days >= {{ var('min_baseline_days') }}
                then
                    {{ intermediate() }}.twice_median(recent_minutes, recent_minutes_days)
                    / 2.0::double precision / start_wear_minutes
        end,
        case
            when recent_hours_days >= {{ var('min_baseline_days') }}
                then {{ intermediate() }}.twice_median(recent_hours, recent_hours_days) / 2.0::double precision / start_wear_hours
        end
    ) as wear_hours_ratio,
    last_valid_date,
    last_worn_date,
    coalesce(
        days_since_last_worn >= {{ recent }} or valid_days_before_stop >= {{ var('steady_wear_days') }}, false
    ) as has_stopped,
    start_valid_days::smallint as start_valid_days,
    start_median_steps,
    start_wear_rate,
    cusum_down,
    cusum_up,
    cusum_wear,
    is_declining,
    is_increasing,
    is_wearing_less,
    down_since,
    up_since,
    wear_since
from counted
