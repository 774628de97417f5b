{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

-- union all: as in fct_user_day_baseline
with long as (

    {% for metric in var('metrics') %}
    {% set m = metric.name %}
    select
        user_day.user_id,
        user_day.activity_date,
        user_day.invalid_reason,
        '{{ m }}' as metric,
        case when user_day.is_valid_day then user_day.{{ m }}::double precision end as amount,
        baseline.{{ m }}_median::double precision / {{ metric.scale }} as baseline_median,
        baseline.{{ m }}_mad::double precision / {{ metric.scale }} as baseline_mad,
        baseline.{{ m }}_is_alert as is_alert
    from {{ ref('fct_user_day') }} as user_day
    inner join {{ ref('int_user_day_baseline') }} as baseline
        on user_day.user_id = baseline.user_id and user_day.activity_date = baseline.activity_date
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

compared as (

    select
        *,
        {{ robust_z('amount', 'baseline_median', 'baseline_mad') }} as robust_z
    from long

)

select
    user_id,
    activity_date,
    metric,
    amount as value,
    baseline_median,
    baseline_mad,
    amount - baseline_median as delta,
    amount / nullif(baseline_median, 0) as ratio,
    robust_z,
    robust_z <= {{ var('z_alert') }} as is_low,
    is_alert,
    case
        when robust_z is not null then null
        when invalid_reason is not null then invalid_reason
        when amount is null then 'metric_missing'
        when baseline_median is null then 'insufficient_baseline'
        else 'mad_zero'
    end as null_reason
from compared
