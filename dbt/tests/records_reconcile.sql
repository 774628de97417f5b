{#
    Every activity record is in fct_user_day once, and every valid day in its week. Counts only days that may have changed since
    this test last passed.
#}
with untested_user as (
    {{ untested_users() }}
),

monday as (

    select
        user_id,
        {{ monday('from_date') }} as from_date
    from untested_user

),

found as (

    select
        monday.user_id,
        in_days.records,
        counted.records as expected_records,
        in_weeks.valid_days,
        in_days.valid_days as expected_valid_days
    from monday
    cross join lateral (
        select
            count(*) filter (where user_day.has_record) as records,
            count(*) filter (where user_day.is_valid_day) as valid_days
        from {{ ref('fct_user_day') }} as user_day
        where user_day.user_id = monday.user_id and user_day.activity_date >= monday.from_date
    ) as in_days
    cross join lateral (
        select count(*) as records
        from {{ ref('stg_daily_activity') }} as activity
        where activity.user_id = monday.user_id and activity.activity_date >= monday.from_date
    ) as counted
    cross join lateral (
        select coalesce(sum(user_week.valid_days), 0) as valid_days
        from {{ ref('fct_user_week_engagement') }} as user_week
        where user_week.user_id = monday.user_id and user_week.week_start_date >= monday.from_date
    ) as in_weeks

)

select *
from found
where records <> expected_records or valid_days <> expected_valid_days
