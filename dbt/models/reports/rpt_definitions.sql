{{ config(materialized='table', meta={'distribution': 'coordinator'}) }}

{% set worn = var('min_wear_minutes') ~ ' minutes of wear or ' ~ var('min_wear_hours') ~ ' hours with a step' %}
{% set plausible = var('min_steps') ~ ' to ' ~ var('max_steps') ~ ' steps' %}
{% set definitions = {'every_record': ('Every day with a number of steps', 'true')} %}
{% for number in var('count_from_steps') %}
    {% do definitions.update({'at_least_' ~ number: (
        'Days with at least ' ~ number ~ ' step' ~ ('s' if number > 1 else ''), 'steps_from >= ' ~ number
    )}) %}
{% endfor %}
{# fct_user_week_engagement has no steps_per_valid_day of weeks with fewer than min_week_valid_days #}
{% set week_days = [var('count_from_valid_days'), var('min_week_valid_days')] | max %}
{% do definitions.update({
    'plausible': ('Days with ' ~ plausible, is_plausible_number()),
    'worn': ('Days with ' ~ worn, 'is_surely_worn'),
    'plausible_and_worn': ('Days with ' ~ plausible ~ ', and with ' ~ worn, is_plausible_number() ~ ' and is_surely_worn'),
    'valid': ('Valid days, as all marts count them', "judgement = 'valid'"),
}) %}

with grouped as {{ read_twice() }} (
    {{ participant_groups() }}
),

definition as (

    {% for name, (description, rule) in definitions.items() %}
    select
        {{ loop.index }} as position,
        '{{ name }}' as definition,
        '{{ description }}' as description
    union all
    {% endfor %}
    select
        {{ definitions | length + 1 }} as position,
        'in_valid_weeks' as definition,
        'Valid days in weeks with at least {{ week_days }} of them' as description

),

-- the days of each participant that each definition counts: one reading of the months, whatever the number of groups
participant as (

    select
        user_id,
        {% for name, (description, rule) in definitions.items() %}
        coalesce(sum(days_with_steps) filter (where {{ rule }}), 0) as {{ name }}_days,
        coalesce(sum(steps) filter (where {{ rule }}), 0) as {{ name }}_steps{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_user_month_days') }}
    where days_with_steps > 0
    group by user_id

),

week as (

    select
        user_id,
        sum(valid_days) as days,
        sum(round(valid_days * steps_per_valid_day)::bigint) as steps
    from {{ ref('fct_user_week_engagement') }}
    where valid_days >= {{ week_days }}
    group by user_id

),

counted as (

    select
        grouped.arm,
        grouped.site,
        of_definition.definition,
        count(*) as users,
        sum(of_definition.days) as user_days,
        sum(of_definition.steps) as steps
    from participant
    inner join grouped on participant.user_id = grouped.user_id
    left join week on participant.user_id = week.user_id
    cross join lateral (
        values
        {% for name in definitions %}
        ('{{ name }}', participant.{{ name }}_days, participant.{{ name }}_steps),
        {% endfor %}
        ('in_valid_weeks', week.days, week.steps)
    ) as of_definition (definition, days, steps)
    where of_definition.days > 0
    group by grouped.arm, grouped.site, of_definition.definition

)

select
    named.arm,
    named.site,
    definition.position,
    definition.definition,
    definition.description,
    coalesce(counted.users, 0)::int as users,
    coalesce(counted.user_days, 0)::bigint as user_days,
    (counted.steps / counted.user_days)::double precision as mean_steps
from ({{ named_groups('grouped') }}) as named
cross join definition
left join counted
    on named.arm = counted.arm and named.site = counted.site and definition.definition = counted.definition
