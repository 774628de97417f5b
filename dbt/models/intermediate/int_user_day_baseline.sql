{% if var('min_weekdays') not in [3, 4] %}
    {% do exceptions.raise_compiler_error('min_weekdays is 3 or 4: a window holds four of each weekday') %}
{% endif %}
{% set look_back = [var('base_days'), 28] | max %}
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    indexes=[{'columns': ['activity_date']}],
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 't.activity_date between c.from_date and c.to_date + ' ~ (look_back + 1),
    },
) }}

{#
    percentile_cont has no window form. Here each user's amounts become one array a metric, one element a day; a date's
    window is a slice of it, and the median is read off the sorted slice. Days without an amount are an `absent` far below
    any amount: they sort to the front, where width_bucket counts them, and an array without nulls is indexed at once.

    The MAD needs no second sort: the k amounts nearest to the median lie side by side in the sorted slice, and a binary
    search finds where they begin: `skipped` elements are absent, or further away than those k at the other end.
#}
{% set absent = -(2 ** 40) %}
{% set steps_of_search = [] %}
{% for exponent in range(12, -1, -1) if 2 ** exponent <= (var('base_days') + 1) // 2 %}
    {% do steps_of_search.append(2 ** exponent) %}
{% endfor %}

with {% if is_incremental() %}changed_user as materialized (
    {{ changed_users() }}
),

{% endif %}amount as (

    select
        user_day.user_id,
        user_day.activity_date,
        {% for metric in var('metrics') %}
        case when user_day.is_valid_day then (user_day.{{ metric.name }}{{ ' * ' ~ metric.scale if metric.scale != 1 }})::bigint end
            as {{ metric.name }},
        {% endfor %}
        {% if is_incremental() %}
        user_day.activity_date between changed_user.from_date and changed_user.to_date + {{ look_back + 1 }}
            as is_wanted,
        -- the day before the first wanted one says whether that is the second low day
        user_day.activity_date >= changed_user.from_date - 1 as is_needed
        {%- else %}
        true as is_wanted,
        true as is_needed
        {%- endif %}
    {% if is_incremental() %}
    from {{ changed_days(
        ref('fct_user_day'),
        'changed_user.from_date - ' ~ (look_back + 1),
        'changed_user.to_date + ' ~ (look_back + 1),
    ) }} as user_day
    {% else %}
    from {{ ref('fct_user_day') }} as user_day
    {% endif %}

),

series as (

    select
        *,
        (row_number() over all_days)::int as day_number,
        {% for metric in var('metrics') %}
        array_agg(coalesce({{ metric.name }}, {{ absent }})) over all_days as {{ metric.name }}_series,
        count({{ metric.name }}) over all_days > 0 as has_{{ metric.name }}{{ ',' if not loop.last }}
        {% endfor %}
    from amount
    window
        all_days as (
            partition by user_id order by activity_date
            rows between unbounded preceding and unbounded following
        )

),

-- order by: it keeps the levels apart, whose expressions the planner would repeat in each other, and costs no sort
sorted as (

    select
        user_id,
        activity_date,
        is_wanted,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        {{ m }},
        {% for weeks in range(1, 5) %}
        nullif({{ m }}_series[day_number - {{ 7 * weeks }}], {{ absent }}) as {{ m }}_week_{{ weeks }},
        {% endfor %}
        case
            when has_{{ m }}
                then intermediate.array_sorted({{ m }}_series[day_number - {{ var('base_days') }}:day_number - 1])
        end as {{ m }}_sorted{{ ',' if not loop.last }}
        {% endfor %}
    from series
    where is_needed
    order by user_id, activity_date

),

counted as (

    select
        user_id,
        activity_date,
        is_wanted,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        {% set same_weekday = [m ~ '_week_1', m ~ '_week_2', m ~ '_week_3', m ~ '_week_4'] %}
        {{ m }},
        {{ m }}_sorted,
        coalesce(cardinality({{ m }}_sorted) - width_bucket({{ absent }}, {{ m }}_sorted), 0) as {{ m }}_n,
        case
            when num_nonnulls({{ same_weekday | join(', ') }}) >= {{ var('min_weekdays') }}
                then (
                    {% for column in same_weekday %}coalesce({{ column }}, 0){{ ' + ' if not loop.last }}{% endfor %}
                    - least({{ same_weekday | join(', ') }}) - greatest({{ same_weekday | join(', ') }})
                )::real / (num_nonnulls({{ same_weekday | join(', ') }}) - 2)
        end as {{ m }}_weekday_median{{ ',' if not loop.last }}
        {% endfor %}
    from sorted
    order by user_id, activity_date

),

search_0 as (

    select
        *,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        case
            when {{ m }}_n >= {{ var('min_baseline_days') }} then {{ twice_median(m ~ '_sorted', m ~ '_n') }}
        end as {{ m }}_twice_median,
        cardinality({{ m }}_sorted) - {{ m }}_n as {{ m }}_skipped{{ ',' if not loop.last }}
        {% endfor %}
    from counted
    order by user_id, activity_date

),

{% for step in steps_of_search %}
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
        {{ m }}_skipped + case
            when {{ m }}_sorted[{{ m }}_skipped + {{ step }}] + {{ m }}_sorted[{{ m }}_skipped + {{ step }} + ({{ m }}_n + 1) / 2]
                < {{ m }}_twice_median
                then {{ step }}
            else 0
        end as {{ m }}_skipped{{ ',' if not loop.last }}
        {% endfor %}
    from search_{{ loop.index0 }}
    order by user_id, activity_date

),

{% endfor %}
measured as (

    select
        user_id,
        activity_date,
        is_wanted,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        {{ m }},
        {{ m }}_n,
        ({{ m }}_twice_median / 2.0::real)::real as {{ m }}_median,
        -- the k-th nearest and, for an even number of days, the one after it: twice their distances
        (case
            when {{ m }}_n % 2 = 1
                then 2 * greatest(
                    {{ m }}_twice_median - 2 * {{ m }}_sorted[{{ m }}_skipped + 1],
                    2 * {{ m }}_sorted[{{ m }}_skipped + ({{ m }}_n + 1) / 2] - {{ m }}_twice_median
                )
            else greatest(
                {{ m }}_twice_median - 2 * {{ m }}_sorted[{{ m }}_skipped + 1],
                2 * {{ m }}_sorted[{{ m }}_skipped + {{ m }}_n / 2] - {{ m }}_twice_median
            ) + least(
                {{ m }}_twice_median - 2 * {{ m }}_sorted[{{ m }}_skipped],
                2 * {{ m }}_sorted[{{ m }}_skipped + {{ m }}_n / 2 + 1] - {{ m }}_twice_median
            )
        end / 4.0::real)::real as {{ m }}_mad,
        {{ m }}_weekday_median::real as {{ m }}_weekday_median{{ ',' if not loop.last }}
        {% endfor %}
    from search_{{ steps_of_search | length }}
    order by user_id, activity_date

),

judged as (

    select
        *,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        {{ robust_z(m, m ~ '_median', m ~ '_mad') }} <= {{ var('z_alert') }} as {{ m }}_is_low{{ ',' if not loop.last }}
        {% endfor %}
    from measured
    order by user_id, activity_date

),

alerted as (

    select
        *,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        coalesce({{ m }}_is_low and lag({{ m }}_is_low) over by_date, false) as {{ m }}_is_alert{{ ',' if not loop.last }}
        {% endfor %}
    from judged
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
    {{ m }}_is_alert{{ ',' if not loop.last }}
    {% endfor %}
from alerted
where is_wanted
