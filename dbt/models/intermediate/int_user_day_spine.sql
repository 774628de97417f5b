{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

with user_extent as (
    {{ user_extents() }}
),

calendar as (

    select
        user_extent.user_id,
        user_extent.last_date,
        user_extent.first_date + day_number as activity_date
    from user_extent
    cross join lateral generate_series(0, user_extent.last_date - user_extent.first_date) as day_number

)

select
    calendar.user_id,
    calendar.activity_date,
    activity.activity_date is not null as has_record,
    activity.steps,
    calendar.activity_date = calendar.last_date as is_partial_day
from calendar
left join {{ ref('stg_fitbit__daily_activity') }} as activity
    on calendar.user_id = activity.user_id and calendar.activity_date = activity.activity_date
