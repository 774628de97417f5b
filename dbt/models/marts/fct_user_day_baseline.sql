{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

select
    baseline.user_id,
    baseline.activity_date,
    metric.metric,
    metric.n_days,
    metric.median,
    metric.mad,
    metric.weekday_median
from {{ ref('int_user_day_baseline') }} as baseline
cross join lateral (
    values
    {% for metric in var('metrics') %}
    {% set m = metric.name %}
    (
        '{{ m }}',
        baseline.{{ m }}_n::int,
        baseline.{{ m }}_median::double precision / {{ metric.scale }},
        baseline.{{ m }}_mad::double precision / {{ metric.scale }},
        baseline.{{ m }}_weekday_median::double precision / {{ metric.scale }}
    ){{ ',' if not loop.last }}
    {% endfor %}
) as metric (metric, n_days, median, mad, weekday_median)
