{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    indexes=[{'columns': ['activity_date']}],
    pre_hook="{{ fill_changed_user() }}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.activity_date between changed_user.from_date and changed_user.to_date',
    },
) }}

-- depends_on: {{ ref('stg_daily_activity') }}

with {% if is_incremental() %}-- only the changed days: int_user_day_spine would generate all days of a user first
user_span as (

    select
        user_id,
        last_date,
        greatest(first_date, from_date) as begin_date,
        least(last_date, to_date) as end_date
    from {{ changed_user() }}
    where first_date is not null

),

spine as (
    {{ spine('user_span') }}
),

{% else %}spine as (

    select * from {{ ref('int_user_day_spine') }}

),

{% endif %}judged as (

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
    from {{ ref('stg_hourly_steps') }} as hour
    {% if is_incremental() %}
    inner join {{ changed_user() }}
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
    judged.distance_km,
    judged.very_active_minutes,
    judged.fairly_active_minutes,
    judged.lightly_active_minutes,
    judged.very_active_minutes + judged.fairly_active_minutes as mvpa_minutes,
    judged.sedentary_minutes,
    judged.calories,
    judged.device,
    judged.made_from,
    sleep.sleep_records,
    sleep.minutes_asleep,
    sleep.minutes_in_bed,
    case
        when sleep.minutes_asleep <= sleep.minutes_in_bed and sleep.minutes_in_bed > 0
            then round(sleep.minutes_asleep::numeric / sleep.minutes_in_bed, 4)
    end as sleep_efficiency,
    sleep.minutes_awake,
    sleep.minutes_light,
    sleep.minutes_deep,
    sleep.minutes_rem,
    sleep.nap_minutes,
    wear.wear_hours::int as wear_hours,
    worn.minutes_worn as wear_minutes
from judged
left join lateral (
    select night.*
    from {{ ref('stg_sleep') }} as night
    where night.user_id = judged.user_id and night.sleep_date = judged.activity_date
    {% if is_incremental() %}limit 1{% endif %}
) as sleep on true
left join lateral (
    select device_time.minutes_worn
    from {{ ref('stg_wear_time') }} as device_time
    where device_time.user_id = judged.user_id and device_time.worn_date = judged.activity_date
    {% if is_incremental() %}limit 1{% endif %}
) as worn on true
left join wear
    on judged.user_id = wear.user_id and judged.activity_date = wear.activity_date
