{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

-- union all: as in fct_user_day_baseline
with long as (

    {% for metric in var('metrics') %}
    {% set m = metric.name %}
    {% set counted = 'case when user_day.is_valid_day then user_day.' ~ m ~ ' end' %}
    select
        user_day.user_id,
        user_day.activity_date,
        user_day.invalid_reason,
        '{{ m }}' as metric,
        ({{ counted }})::double precision as amount,
        {{ off_scale(metric, 'baseline.' ~ m ~ '_median') }} as baseline_median,
        {{ spread_off_scale(metric, 'baseline.' ~ m ~ '_mad') }} as baseline_mad,
        {{ robust_z(on_scale(metric, counted), 'baseline.' ~ m ~ '_median', 'baseline.' ~ m ~ '_mad') }} as robust_z,
        baseline.{{ m }}_is_low as is_low,
        baseline.{{ m }}_is_alert as is_alert
    from {{ ref('fct_user_day') }} as user_day
    inner join {{ ref('int_user_day_baseline') }} as baseline
        on user_day.user_id = baseline.user_id and user_day.activity_date = baseline.activity_date
    {{ 'union all' if not loop.last }}
    {% endfor %}

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
    is_low,
    is_alert,
    {{ null_reason('is_low', 'invalid_reason', 'amount', 'baseline_median', 'robust_z') }} as null_reason
from long
