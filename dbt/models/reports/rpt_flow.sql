{{ config(materialized='table', meta={'distribution': 'reference'}) }}

{#
    Each step keeps what the step before kept and its rule allows: a day is judged by the first rule that it breaks, so the days
    kept are those judged to break a later rule, or none.
#}
{% set judgements = ['no_record', 'partial_day', 'not_worn', 'steps_missing', 'steps_below_min', 'steps_above_max', 'valid'] %}
{# the days that each step keeps, and the first judgement among them #}
{% set steps = {
    'any_record': ('with a record', 'partial_day'),
    'whole_days': ('not the last day of a participant', 'not_worn'),
    'worn': ('worn long enough, as far as is known', 'steps_missing'),
    'plausible': ('with ' ~ var('min_steps') ~ ' to ' ~ var('max_steps') ~ ' steps: valid', 'valid'),
} %}

with kept as (

    {% for step, (description, first) in steps.items() %}
    select
        {{ loop.index + 1 }} as position,
        '{{ step }}' as step,
        'Days {{ description }}' as description,
        count(distinct user_id) as users,
        coalesce(sum(days), 0) as user_days,
        sum(steps) / nullif(sum(days_with_steps), 0) as mean_steps
    from {{ ref('int_user_month_days') }}
    where judgement in ('{{ judgements[judgements.index(first):] | join("', '") }}')
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

valid as (

    select
        user_id,
        sum(days) as days,
        sum(steps) as steps
    from {{ ref('int_user_month_days') }}
    where judgement = 'valid'
    group by user_id
    having sum(days) > {{ var('min_start_days') }}

),

-- a participant's first valid days are the baseline of the others
baseline as (

    select
        valid.user_id,
        valid.days - {{ var('min_start_days') }} as days,
        valid.steps - first_days.steps as steps
    from valid
    cross join lateral (
        select sum(early.steps) as steps
        from (
            select user_day.steps
            from {{ ref('fct_user_day') }} as user_day
            where user_day.user_id = valid.user_id and user_day.is_valid_day
            order by user_day.activity_date
            limit {{ var('min_start_days') }}
        ) as early
    ) as first_days

),

flow as (

    select
        1 as position,
        'known' as step,
        'Participants on the roster or with data' as description,
        count(*) as users,
        null::numeric as user_days,
        null::numeric as mean_steps
    from {{ ref('dim_participant') }}

    union all

    select * from kept

    union all

    select
        {{ steps | length + 2 }} as position,
        'with_baseline' as step,
        'Valid days after {{ var('min_start_days') }} valid days' as description,
        count(*) as users,
        coalesce(sum(days), 0) as user_days,
        sum(steps) / sum(days) as mean_steps
    from baseline

)

select
    position,
    step,
    description,
    users::int as users,
    user_days::bigint as user_days,
    mean_steps::double precision as mean_steps
from flow
