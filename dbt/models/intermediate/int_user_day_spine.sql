{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    post_hook="{{ consume(ref('int_user_change')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 't.activity_date between c.from_date and c.to_date',
    },
) }}

with changed_user as (
    {{ changed_users() }}
),

calendar as (

    select
        changed_user.user_id,
        changed_user.last_date,
        greatest(changed_user.first_date, changed_user.from_date) + day_number as activity_date
    from changed_user
    cross join lateral generate_series(
        0,
        least(changed_user.last_date, changed_user.to_date) - greatest(changed_user.first_date, changed_user.from_date)
    ) as day_number
    where changed_user.first_date is not null

)

select
    calendar.user_id,
    calendar.activity_date,
    activity.activity_date is not null as has_record,
    activity.steps,
    calendar.activity_date = calendar.last_date as is_partial_day
from calendar
left join lateral (
    select
        record.activity_date,
        record.steps
    from {{ ref('stg_fitbit__daily_activity') }} as record
    where record.user_id = calendar.user_id and record.activity_date = calendar.activity_date
    {% if is_incremental() %}limit 1{% endif %}
) as activity on true
