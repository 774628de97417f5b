{#
    Each layer has a row for each day of a user's calendar, and no row of a user without records. Counts only days that may
    have changed since this test last passed.
#}
with untested_user as (
    {{ untested_users() }}
),

expected as (

    select
        user_id,
        from_date,
        coalesce(greatest(last_date - greatest(first_date, from_date) + 1, 0), 0) as days
    from untested_user

),

found as (

    {% for model in ['fct_user_day', 'int_user_day_baseline', 'int_user_day_level'] %}
    select
        '{{ model }}' as model,
        expected.user_id,
        expected.days as expected_days,
        counted.days
    from expected
    cross join lateral (
        select count(*) as days
        from {{ ref(model) }} as user_day
        where user_day.user_id = expected.user_id and user_day.activity_date >= expected.from_date
    ) as counted
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select *
from found
where days <> expected_days
