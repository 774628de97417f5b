{{ config(materialized='table', meta={'distribution': 'reference'}) }}

{% set definitions = {
    'every_record': ('Every day with steps, also the last one of a participant', 'true'),
    'plausible': ('Days with ' ~ var('min_steps') ~ ' to ' ~ var('max_steps') ~ ' steps', 'is_plausible'),
    'plausible_and_worn': (
        'Of these, days with ' ~ var('min_wear_minutes') ~ ' minutes of wear or ' ~ var('min_wear_hours') ~ ' hours with a step',
        'is_plausible and is_surely_worn',
    ),
    'valid': ('Valid days, as all marts count them', "judgement = 'valid'"),
} %}

{% for name, (description, rule) in definitions.items() %}
select
    {{ loop.index }} as position,
    '{{ name }}' as definition,
    '{{ description }}' as description,
    count(distinct user_id)::int as users,
    coalesce(sum(days_with_steps), 0)::bigint as user_days,
    (sum(steps) / sum(days_with_steps))::double precision as mean_steps
from {{ ref('int_user_month_days') }}
where days_with_steps > 0 and {{ rule }}
{{ 'union all' if not loop.last }}
{% endfor %}
