{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

-- union all, not values in a lateral join: for a query of one metric the planner skips the others
{% for metric in var('metrics') %}
{% set m = metric.name %}
select
    user_id,
    activity_date,
    '{{ m }}' as metric,
    {{ m }}_n::int as n_days,
    {{ off_scale(metric, m ~ '_median') }} as median,
    {{ spread_off_scale(metric, m ~ '_mad') }} as mad,
    {{ off_scale(metric, m ~ '_weekday_median') }} as weekday_median
from {{ ref('int_user_day_baseline') }}
{{ 'union all' if not loop.last }}
{% endfor %}
