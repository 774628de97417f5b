{{ config(materialized='table', meta={'distribution': 'coordinator'}) }}

{% set before = var('base_days') ~ ' days before' %}
{% set reasons = {
    'can_be_flagged': 'Days that can be flagged as unusually low',
    'no_record': 'Days without a record',
    'partial_day': 'The last day of each participant: the export ends before the day does',
    'not_worn': 'Days on which the device was not worn for long enough',
    'steps_missing': 'Days with a record, but without steps',
    'steps_below_min': 'Days with fewer than ' ~ var('min_steps') ~ ' steps',
    'steps_above_max': 'Days with more than ' ~ var('max_steps') ~ ' steps',
    'insufficient_baseline': 'Valid days with fewer than ' ~ var('min_baseline_days') ~ ' valid days in the ' ~ before,
    'mad_zero': 'Valid days where at least half of the ' ~ before ~ ' have the same number of steps',
    'cannot_be_low': 'Valid days where the ' ~ before ~ ' differ so much that even ' ~ var('min_steps') ~ ' steps would not be unusual',
    'no_wear_signal': 'Days that can be flagged, where only the steps say that the device was worn',
} %}

with grouped as {{ read_twice() }} (
    {{ participant_groups() }}
),

reason as (

    {% for name, description in reasons.items() %}
    select
        {{ loop.index }} as position,
        '{{ name }}' as reason,
        '{{ description }}' as description
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

-- one reading of the months, whatever the number of groups
participant as {{ read_twice() }} (

    select
        user_id,
        flagging as reason,
        sum(days) as days,
        sum(days) filter (where not is_surely_worn) as days_of_unknown_wear
    from {{ ref('int_user_month_days') }}
    group by user_id, flagging

),

counted as (

    select
        grouped.arm,
        grouped.site,
        participant.reason,
        count(*) as users,
        sum(participant.days) as user_days
    from (
        select
            user_id,
            reason,
            days
        from participant

        union all

        select
            user_id,
            'no_wear_signal' as reason,
            days_of_unknown_wear as days
        from participant
        where reason = 'can_be_flagged' and days_of_unknown_wear > 0
    ) as participant
    inner join grouped on participant.user_id = grouped.user_id
    group by grouped.arm, grouped.site, participant.reason

)

select
    named.arm,
    named.site,
    reason.position,
    reason.reason,
    reason.description,
    coalesce(counted.users, 0)::int as users,
    coalesce(counted.user_days, 0)::bigint as user_days
from ({{ named_groups('grouped') }}) as named
cross join reason
left join counted on named.arm = counted.arm and named.site = counted.site and reason.reason = counted.reason
