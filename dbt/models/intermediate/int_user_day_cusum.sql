{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{{ fill_changed_user() }}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.activity_date >= changed_user.from_date',
    },
) }}

{#
    C = max(0, C - z - slack) needs no recursion. With P the running sum of -z - slack, C = P - least(0, lowest P so far). A day
    without a z adds nothing. An incremental run starts with the C of the day before as P.

    Example: -z - slack of 1.5, 1.5, -4 and 1 give P = 1.5, 3, -1, 0 and C = 1.5, 3, 0, 1.
#}
with anchor as (

    select
        user_id,
        {% for metric in var('metrics') %}
        max(anchor_end_date) filter (where metric = '{{ metric.name }}') as {{ metric.name }}_end,
        max(median) filter (where metric = '{{ metric.name }}') as {{ metric.name }}_median,
        max(mad) filter (where metric = '{{ metric.name }}') as {{ metric.name }}_mad{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('dim_user_anchor_baseline') }}
    where is_final
    group by user_id

),

score as (

    select
        user_day.user_id,
        user_day.activity_date,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        user_day.activity_date > anchor.{{ m }}_end and anchor.{{ m }}_mad > 0 as {{ m }}_is_watched,
        case
            when user_day.is_valid_day and user_day.activity_date > anchor.{{ m }}_end
                then -{{ robust_z('user_day.' ~ m ~ '::double precision', 'anchor.' ~ m ~ '_median', 'anchor.' ~ m ~ '_mad') }}
                    - {{ var('cusum_slack') }}::double precision
        end as {{ m }}_excess,
        {% if is_incremental() %}coalesce(former.{{ m }}, 0){% else %}0::double precision{% endif %} as {{ m }}_former
            {{- ',' if not loop.last }}
        {% endfor %}
    from {{ changed_days(ref('fct_user_day'), 'changed_user.from_date', 'changed_user.last_date') }}
    {% if is_incremental() %}
    left join {{ this }} as former
        on changed_user.user_id = former.user_id and former.activity_date = changed_user.from_date - 1
    {% endif %}
    left join anchor on user_day.user_id = anchor.user_id

),

summed as (

    select
        user_id,
        activity_date,
        {% for metric in var('metrics') %}
        {% set m = metric.name %}
        {{ m }}_is_watched,
        {{ m }}_former + coalesce(sum({{ m }}_excess) over by_date, 0) as {{ m }}_sum{{ ',' if not loop.last }}
        {% endfor %}
    from score
    window by_date as (partition by user_id order by activity_date)

)

select
    user_id,
    activity_date,
    {% for metric in var('metrics') %}
    {% set m = metric.name %}
    case
        when {{ m }}_is_watched then {{ m }}_sum - least(0, min({{ m }}_sum) over by_date)
    end as {{ m }}{{ ',' if not loop.last }}
    {% endfor %}
from summed
window by_date as (partition by user_id order by activity_date)
