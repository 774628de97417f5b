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

{% endif %}wear as (

    select
        hour.user_id,
        hour.activity_hour::date as activity_date,
        (count(*) filter (where hour.steps > 0))::int as wear_hours
    from {{ ref('stg_hourly_steps') }} as hour
    {% if is_incremental() %}
    inner join {{ changed_user() }}
        on hour.user_id = changed_user.user_id
        and hour.activity_hour >= changed_user.from_date
        and hour.activity_hour < changed_user.to_date + 1
    {% endif %}
    group by hour.user_id, hour.activity_hour::date

),

measured as (

    select
        spine.*,
        sleep.sleep_records,
        sleep.minutes_asleep,
        sleep.minutes_in_bed,
        sleep.minutes_awake,
        sleep.minutes_light,
        sleep.minutes_deep,
        sleep.minutes_rem,
        sleep.nap_minutes,
        wear.wear_hours,
        coalesce(stated.minutes_worn, heart_rate.minutes_worn) as wear_minutes,
        -- the export may have ended inside the last day: what it has of that day does not say that the device was off
        stated.minutes_worn is not null
        or heart_rate.minutes_worn is not null and spine.activity_date < extent.last_heart_rate_date as has_all_minutes,
        wear.wear_hours is not null and spine.activity_date < extent.last_hour_date as has_all_hours
    from spine
    left join {{ ref('int_user_extent') }} as extent on spine.user_id = extent.user_id
    left join lateral (
        select night.*
        from {{ ref('stg_sleep') }} as night
        where night.user_id = spine.user_id and night.sleep_date = spine.activity_date
        {% if is_incremental() %}limit 1{% endif %}
    ) as sleep on true
    left join lateral (
        select device_time.minutes_worn
        from {{ ref('stg_wear_time') }} as device_time
        where device_time.user_id = spine.user_id and device_time.worn_date = spine.activity_date
        {% if is_incremental() %}limit 1{% endif %}
    ) as stated on true
    left join lateral (
        select reading.minutes_worn
        from {{ ref('int_user_day_heart_rate') }} as reading
        where reading.user_id = spine.user_id and reading.activity_date = spine.activity_date
        {% if is_incremental() %}limit 1{% endif %}
    ) as heart_rate on true
    left join wear
        on spine.user_id = wear.user_id and spine.activity_date = wear.activity_date

),

worn as (

    select
        *,
        case
            when not has_record then null
            when wear_minutes >= {{ var('min_wear_minutes') }} then 'heart_rate'
            when wear_hours >= {{ var('min_wear_hours') }} then 'hours_with_steps'
            when has_all_minutes then 'heart_rate'
            when has_all_hours then 'hours_with_steps'
            else 'steps'
        end as wear_source,
        {{ is_surely_worn() }} as is_surely_worn
    from measured

),

judged as (

    select
        *,
        case
            when not has_record then 'no_record'
            when is_partial_day then 'partial_day'
            when not is_surely_worn and wear_source <> 'steps' then 'not_worn'
            when steps is null then 'steps_missing'
            when steps < {{ var('min_steps') }} then 'steps_below_min'
            when steps > {{ var('max_steps') }} then 'steps_above_max'
        end as invalid_reason
    from worn

)

select
    user_id,
    activity_date,
    has_record,
    is_partial_day,
    invalid_reason is null as is_valid_day,
    invalid_reason,
    steps,
    distance_km,
    very_active_minutes,
    fairly_active_minutes,
    lightly_active_minutes,
    very_active_minutes + fairly_active_minutes as mvpa_minutes,
    sedentary_minutes,
    calories,
    device,
    made_from,
    sleep_records,
    minutes_asleep,
    minutes_in_bed,
    case
        when minutes_asleep <= minutes_in_bed and minutes_in_bed > 0
            then round(minutes_asleep::numeric / minutes_in_bed, 4)
    end as sleep_efficiency,
    minutes_awake,
    minutes_light,
    minutes_deep,
    minutes_rem,
    nap_minutes,
    wear_hours,
    wear_minutes,
    wear_source
from judged
