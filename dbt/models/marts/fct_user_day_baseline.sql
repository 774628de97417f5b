{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

-- union all, not values in a lateral join: for a query of one metric the planner skips the others
{% for metric in var('metrics') %}
{% set m = metric.name %}
select
    user_id,
    activity_date,
    '{{ m }}' as metric,
    {{ m }}_n::int as n_days,
    {{ m }}_median::double precision / {{ metric.scale }} as median,
    {{ m }}_mad::double precision / {{ metric.scale }} as mad,
    {{ m }}_weekday_median::double precision / {{ metric.scale }} as weekday_median
from {{ ref('int_user_day_baseline') }}
{{ 'union all' if not loop.last }}
{% endfor %}
