{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    indexes=[{'columns': ['activity_date']}],
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 't.activity_date between c.from_date and c.to_date',
    },
) }}

with {% if is_incremental() %}changed_user as (
    {{ changed_users() }}
),

{% endif %}spine as (

    select day.*
    {% if is_incremental() %}
    from {{ changed_days(ref('int_user_day_spine'), 'changed_user.from_date', 'changed_user.to_date') }} as day
    {% else %}
    from {{ ref('int_user_day_spine') }} as day
    {% endif %}

),

judged as (

    select
        *,
        case
            when not has_record then 'no_record'
            when is_partial_day then 'partial_day'
            when steps is null then 'steps_missing'
            when steps < {{ var('min_steps') }} then 'steps_below_min'
            when steps > {{ var('max_steps') }} then 'steps_above_max'
        end as invalid_reason
    from spine

),

wear as (

    select
        hour.user_id,
        hour.activity_hour::date as activity_date,
        count(*) filter (where hour.steps > 0) as wear_hours
    from {{ ref('stg_fitbit__hourly_steps') }} as hour
    {% if is_incremental() %}
    inner join changed_user
        on hour.user_id = changed_user.user_id
        and hour.activity_hour >= changed_user.from_date
        and hour.activity_hour < changed_user.to_date + 1
    {% endif %}
    group by hour.user_id, hour.activity_hour::date

)

select
    judged.user_id,
    judged.activity_date,
    judged.has_record,
    judged.is_partial_day,
    judged.invalid_reason is null as is_valid_day,
    judged.invalid_reason,
    judged.steps,
    activity.distance_km,
    activity.very_active_minutes,
    activity.fairly_active_minutes,
    activity.lightly_active_minutes,
    activity.very_active_minutes + activity.fairly_active_minutes as mvpa_minutes,
    activity.sedentary_minutes,
    activity.calories,
    sleep.sleep_records,
    sleep.minutes_asleep,
    sleep.minutes_in_bed,
    case
        when sleep.minutes_asleep <= sleep.minutes_in_bed and sleep.minutes_in_bed > 0
            then round(sleep.minutes_asleep::numeric / sleep.minutes_in_bed, 4)
    end as sleep_efficiency,
    wear.wear_hours::int as wear_hours
from judged
left join lateral (
    select record.*
    from {{ ref('stg_fitbit__daily_activity') }} as record
    where record.user_id = judged.user_id and record.activity_date = judged.activity_date
    {% if is_incremental() %}limit 1{% endif %}
) as activity on true
left join lateral (
    select night.*
    from {{ ref('stg_fitbit__sleep') }} as night
    where night.user_id = judged.user_id and night.sleep_date = judged.activity_date
    {% if is_incremental() %}limit 1{% endif %}
) as sleep on true
left join wear
    on judged.user_id = wear.user_id and judged.activity_date = wear.activity_date
