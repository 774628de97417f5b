{#
    Each layer has a row for each day of a user's calendar, and no row of a user without records. Counts only days that may
    have changed since this test last passed.
#}
with found as (

    {% for model in ['fct_user_day', 'int_user_day_baseline', 'int_user_day_level'] %}
    select
        '{{ model }}' as model,
        untested_user.user_id,
        coalesce(
            greatest(untested_user.last_date - greatest(untested_user.first_date, untested_user.from_date) + 1, 0), 0
        ) as expected_days,
        counted.days
    from ({{ untested_users() }}) as untested_user
    cross join lateral (
        select count(*) as days
        from {{ ref(model) }} as user_day
        where user_day.user_id = untested_user.user_id and user_day.activity_date >= untested_user.from_date
    ) as counted
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select *
from found
where days <> expected_days
