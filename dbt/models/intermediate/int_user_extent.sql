{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='user_id',
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={'distribution': 'user_id'},
) }}

with changed as (

    select
        user_id,
        min(first_date) as first_changed,
        max(last_date) as last_changed,
        max(changed_at) as changed_at
    from {{ ref('int_file_user') }}
    where changed_at > {{ consumed_at() }}
    group by user_id

),

extent as (

    select
        changed.*,
        remaining.first_date,
        remaining.last_date,
        of_hours.last_hour_date,
        of_heart_rate.last_heart_rate_date
    from changed
    cross join lateral (
        select
            min(activity.activity_date) as first_date,
            max(activity.activity_date) as last_date
        from {{ ref('stg_daily_activity') }} as activity
        where activity.user_id = changed.user_id
    ) as remaining
    cross join lateral (
        select max(hour.activity_hour)::date as last_hour_date
        from {{ ref('stg_hourly_steps') }} as hour
        where hour.user_id = changed.user_id
    ) as of_hours
    cross join lateral (
        select max(measured.activity_date) as last_heart_rate_date
        from {{ ref('int_user_day_heart_rate') }} as measured
        where measured.user_id = changed.user_id
    ) as of_heart_rate

),

compared as (

    select
        extent.*,
        -- if the first day moves, the calendar begins on another day
        greatest(
            extent.last_changed, extent.first_date{% if is_incremental() %}, former.first_date{% endif %}
        ) as last_changed_day,
        {% if is_incremental() %}
        former.first_date as former_first_date,
        former.last_date as former_last_date,
        least(
            {% for name in ['last_hour_date', 'last_heart_rate_date'] %}
            case when extent.{{ name }} is distinct from former.{{ name }}
                then least(extent.{{ name }}, former.{{ name }})
            end{{ ',' if not loop.last }}
            {% endfor %}
        ) as moved_from_date,
        case when former.changed_at > {{ read_by_all() }} then former.from_date end as unread_from_date,
        case when former.changed_at > {{ read_by_all() }} then former.to_date end as unread_to_date
        {% else %}
        null::date as former_first_date,
        null::date as former_last_date,
        null::date as moved_from_date,
        null::date as unread_from_date,
        null::date as unread_to_date
        {% endif %}
    from extent
    {% if is_incremental() %}left join {{ this }} as former on extent.user_id = former.user_id{% endif %}

)

-- the last record is a partial day: if the last day moves, the former last day changes too; so do the last days of the hours and of
-- the heart rates, which do not say that the device was not worn
select
    user_id,
    changed_at,
    first_date,
    last_date,
    last_hour_date,
    last_heart_rate_date,
    case
        when first_changed > former_first_date
            then least(first_changed, former_last_date, last_date, moved_from_date, unread_from_date)
        else '-infinity'
    end as from_date,
    case
        when last_changed_day < least(former_last_date, last_date) then greatest(last_changed_day, unread_to_date)
        else 'infinity'
    end as to_date
from compared
