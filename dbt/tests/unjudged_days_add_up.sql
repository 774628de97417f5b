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
    found.*,
    expected.user_days as expected_days
from found
full join expected on found.arm = expected.arm and found.site = expected.site
where
    coalesce(found.user_days, -1) <> coalesce(expected.user_days, 0)
    or found.days_of_unknown_wear > found.days_that_can_be_flagged
