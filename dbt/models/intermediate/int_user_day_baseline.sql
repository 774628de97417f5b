{% if var('min_weekdays') not in [3, 4] %}
    {% do exceptions.raise_compiler_error('min_weekdays must be 3 or 4: a window holds four of each weekday') %}
{% endif %}
{# A changed day is in the windows of the days after it, and a day's alert depends on the day before. #}
{% set reach = [var('base_days'), 28] | max + 1 %}
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    indexes=[{'columns': ['activity_date']}],
    pre_hook="{{ fill_changed_user() }}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.activity_date between changed_user.from_date and changed_user.to_date + ' ~ reach,
    },
) }}

{#
    For each day and metric, the median and the MAD of the base_days days before it. Steps are compared by their logarithm. The
    steps of the query:

    amount          the day's amounts as whole numbers; null on a day that is not valid
    series          with each day, all amounts of the user as one array
    day_window      the sorted window, and the amounts of the same weekday one to four weeks before
    day_count       how many amounts the window has; the median of the same weekday
    day_median      the median of the window
    search_1, 2 ... one step each of the binary search for the MAD
    spread          median and MAD
    low, alert      whether the day is low (null if it cannot be), and whether the day before was low too

    macros/arrays.sql explains the arrays and the functions, with examples. `order by` keeps the steps apart at no cost, as
    the rows are sorted already: without it the planner would copy the expressions of each step into the next.
#}
{% set search_steps = [] %}
{% for exponent in range(12, -1, -1) if 2 ** exponent <= (var('base_days') + 1) // 2 %}
    {% do search_steps.append(2 ** exponent) %}
{% endfor %}

with amount as (

    select
        user_day.user_id,
        user_day.activity_date,
        {% for metric in var('metrics') %}
        case when user_day.is_valid_day then {{ on_scale(metric, 'user_day.' ~ metric.name) }} end as {{ metric.name }},
        {% endfor %}
        {% if is_incremental() %}
        user_day.activity_date between changed_user.from_date and changed_user.to_date + {{ reach }} as is_wanted,
        user_day.activity_date >= changed_user.from_date - 1 as is_needed
        {%- else %}
        true as is_wanted,
        true as is_needed
        {%- endif %}
    from {{ changed_days(
        ref('fct_user_day'), 'changed_user.from_date - ' ~ reach, 'changed_user.to_date + ' ~ reach
    ) }}

),

series as (

    select
        *,
        (row_number() over all_days)::int as day_number,
        {% for metric in var('metrics') %}
        array_agg(coalesce({{ metric.name }}, {{ absent() }})) over all_days as {{ metric.name }}_series,
        count({{ metric.name }}) over all_days > 0 as has_{{ metric.name }}{{ ',' if not loop.last }}
        {% endfor %}
    from amount
    window
        all_days as (
            partition by user_id order by activity_date
            rows between unbounded preceding and unbounded following
        )

),

day_window as (

    select
        user_id,
        activity_date,
        is_wanted,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        {{ m }},
        {% for weeks in range(1, 5) %}
        nullif({{ m }}_series[day_number - {{ 7 * weeks }}], {{ absent() }}) as {{ m }}_week_{{ weeks }},
        {% endfor %}
        case
            when has_{{ m }}
                then {{ intermediate() }}.array_sorted({{ m }}_series[day_number - {{ var('base_days') }}:day_number - 1])
        end as {{ m }}_sorted{{ ',' if not loop.last }}
        {% endfor %}
    from series
    where is_needed
    order by user_id, activity_date

),

day_count as (

    select
        user_id,
        activity_date,
        is_wanted,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        {{ m }},
        {{ m }}_sorted,
        coalesce({{ intermediate() }}.values_in({{ m }}_sorted), 0) as {{ m }}_n,
        {{ intermediate() }}.median_of_four(
            {{ m }}_week_1, {{ m }}_week_2, {{ m }}_week_3, {{ m }}_week_4, {{ var('min_weekdays') }}
        )::{{ median_type(metric) }} as {{ m }}_weekday_median{{ ',' if not loop.last }}
        {% endfor %}
    from day_window
    order by user_id, activity_date

),

day_median as (

    select
        *,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        case
            when {{ m }}_n >= {{ var('min_baseline_days') }} then {{ intermediate() }}.twice_median({{ m }}_sorted, {{ m }}_n)
        end as {{ m }}_twice_median,
        cardinality({{ m }}_sorted) - {{ m }}_n as {{ m }}_skipped{{ ',' if not loop.last }}
        {% endfor %}
    from day_count
    order by user_id, activity_date

),

{% for step in search_steps %}
search_{{ loop.index }} as (

    select
        user_id,
        activity_date,
        is_wanted,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        {{ m }},
        {{ m }}_n,
        {{ m }}_sorted,
        {{ m }}_weekday_median,
        {{ m }}_twice_median,
        {{ intermediate() }}.skip_farther({{ m }}_sorted, {{ m }}_n, {{ m }}_twice_median, {{ m }}_skipped, {{ step }})
            as {{ m }}_skipped{{ ',' if not loop.last }}
        {% endfor %}
    from {{ 'day_median' if loop.first else 'search_' ~ loop.index0 }}
    order by user_id, activity_date

),

{% endfor %}
spread as (

    select
        user_id,
        activity_date,
        is_wanted,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        {{ m }},
        {{ m }}_n,
        ({{ m }}_twice_median / 2.0::double precision)::{{ median_type(metric) }} as {{ m }}_median,
        (
            {{ intermediate() }}.four_mads({{ m }}_sorted, {{ m }}_n, {{ m }}_twice_median, {{ m }}_skipped) / 4.0::double precision
        )::{{ median_type(metric) }} as {{ m }}_mad,
        {{ m }}_weekday_median{{ ',' if not loop.last }}
        {% endfor %}
    from search_{{ search_steps | length }}
    order by user_id, activity_date

),

-- a day that is low shows that a day can be low, so few rows need the second comparison
low as (

    select
        *,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        case
            when {{ robust_z(m, m ~ '_median', m ~ '_mad') }} <= {{ var('z_alert') }} then true
            when {{ m }} is not null
                and {{ robust_z(floor_on_scale(metric), m ~ '_median', m ~ '_mad') }} <= {{ var('z_alert') }} then false
        end as {{ m }}_is_low{{ ',' if not loop.last }}
        {% endfor %}
    from spread
    order by user_id, activity_date

),

alert as (

    select
        *,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        case
            when {{ m }}_is_low then coalesce(lag({{ m }}_is_low) over by_date, false)
            else {{ m }}_is_low
        end as {{ m }}_is_alert{{ ',' if not loop.last }}
        {% endfor %}
    from low
    window by_date as (partition by user_id order by activity_date)

)

select
    user_id,
    activity_date,
    {% for metric in var('metrics') %}
    {% set m = metric.name %}
    {{ m }}_n::smallint as {{ m }}_n,
    {{ m }}_median,
    {{ m }}_mad,
    {{ m }}_weekday_median,
    {{ m }}_is_low,
    {{ m }}_is_alert{{ ',' if not loop.last }}
    {% endfor %}
from alert
where is_wanted
