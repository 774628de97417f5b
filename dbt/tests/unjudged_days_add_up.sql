{#
    Every day from a participant's first record to the last is in rpt_unjudged_days once, in each group of the participant; the days
    without a signal of wear are some of those that can be flagged.
#}
with grouped as (
    {{ participant_groups() }}
),

expected as (

    select
        grouped.arm,
        grouped.site,
        coalesce(sum(extent.last_date - extent.first_date + 1), 0) as user_days
    from grouped
    left join ({{ user_extents() }}) as extent on grouped.user_id = extent.user_id
    group by grouped.arm, grouped.site

),

found as (

    select
        arm,
        site,
        sum(user_days) filter (where reason <> 'no_wear_signal') as user_days,
        sum(user_days) filter (where reason = 'can_be_flagged') as days_that_can_be_flagged,
        sum(user_days) filter (where reason = 'no_wear_signal') as days_of_unknown_wear
    from {{ ref('rpt_unjudged_days') }}
    group by arm, site

)

select
    arm,
    site,
    sum(user_days) as user_days,
    sum(expected_days) as expected_days,
    sum(days_that_can_be_flagged) as days_that_can_be_flagged,
    sum(days_of_unknown_wear) as days_of_unknown_wear
from (
    select
        arm,
        site,
        user_days,
        null::numeric as expected_days,
        days_that_can_be_flagged,
        days_of_unknown_wear
    from found

    union all

    select
        arm,
        site,
        null::numeric as user_days,
        user_days::numeric as expected_days,
        null::numeric as days_that_can_be_flagged,
        null::numeric as days_of_unknown_wear
    from expected
) as counted
group by arm, site
having
    coalesce(sum(user_days), -1) <> coalesce(sum(expected_days), 0)
    or sum(days_of_unknown_wear) > sum(days_that_can_be_flagged)
