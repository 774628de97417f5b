{{ config(materialized='table', meta={'distribution': 'coordinator'}) }}

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

with grouped as {{ read_twice() }} (
    {{ participant_groups() }}
),

step as (

    select
        1 as position,
        'known' as step,
        'Participants on the roster or with data' as description

    {% for name, (description, first) in steps.items() %}
    union all

    select
        {{ loop.index + 1 }} as position,
        '{{ name }}' as step,
        'Days {{ description }}' as description

    {% endfor %}
    union all

    select
        {{ steps | length + 2 }} as position,
        'with_baseline' as step,
        'Valid days after {{ var('min_start_days') }} valid days' as description

),

-- the days of each participant that each step keeps: one reading of the months, whatever the number of groups
participant as (

    select
        user_id,
        {% for name, (description, first) in steps.items() %}
        {% set kept = "judgement in ('" ~ judgements[judgements.index(first):] | join("', '") ~ "')" %}
        coalesce(sum(days) filter (where {{ kept }}), 0) as {{ name }}_days,
        coalesce(sum(days_with_steps) filter (where {{ kept }}), 0) as {{ name }}_days_with_steps,
        coalesce(sum(steps) filter (where {{ kept }}), 0) as {{ name }}_steps{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('int_user_month_days') }}
    group by user_id

),

kept as (

    select
        grouped.arm,
        grouped.site,
        of_step.step,
        count(*) as users,
        sum(of_step.days) as user_days,
        sum(of_step.steps) / nullif(sum(of_step.days_with_steps), 0) as mean_steps
    from participant
    -- a participant's first valid days are the baseline of the others
    cross join lateral (
        select sum(early.steps) as steps
        from (
            select user_day.steps
            from {{ ref('fct_user_day') }} as user_day
            where
                user_day.user_id = participant.user_id
                and user_day.is_valid_day
                and participant.plausible_days > {{ var('min_start_days') }}
            order by user_day.activity_date
            limit {{ var('min_start_days') }}
        ) as early
    ) as first_days
    cross join lateral (
        values
        {% for name in steps %}
        ('{{ name }}', participant.{{ name }}_days, participant.{{ name }}_days_with_steps, participant.{{ name }}_steps),
        {% endfor %}
        (
            'with_baseline',
            participant.plausible_days - {{ var('min_start_days') }},
            participant.plausible_days - {{ var('min_start_days') }},
            participant.plausible_steps - first_days.steps
        )
    ) as of_step (step, days, days_with_steps, steps)
    inner join grouped on participant.user_id = grouped.user_id
    where of_step.days > 0
    group by grouped.arm, grouped.site, of_step.step

),

known as (

    select
        arm,
        site,
        count(*) as users
    from grouped
    group by arm, site

)

select
    named.arm,
    named.site,
    step.position,
    step.step,
    step.description,
    coalesce(case when step.step = 'known' then known.users else kept.users end, 0)::int as users,
    case when step.step <> 'known' then coalesce(kept.user_days, 0) end::bigint as user_days,
    kept.mean_steps::double precision as mean_steps
from ({{ named_groups('grouped') }}) as named
cross join step
left join known on named.arm = known.arm and named.site = known.site
left join kept on named.arm = kept.arm and named.site = kept.site and step.step = kept.step
