{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    indexes=[{'columns': ['activity_date']}],
    post_hook="{{ consume(ref('int_user_change')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 't.activity_date between c.from_date and c.to_date',
    },
) }}

with spine as (

    select spine.*
    from {{ ref('int_user_day_spine') }} as spine
    {% if is_incremental() %}
    inner join ({{ changed_users() }}) as changed_user
        on spine.user_id = changed_user.user_id
        and spine.activity_date between changed_user.from_date and changed_user.to_date
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
    end as sleep_efficiency
from judged
left join {{ ref('stg_fitbit__daily_activity') }} as activity
    on judged.user_id = activity.user_id and judged.activity_date = activity.activity_date
left join {{ ref('stg_fitbit__sleep') }} as sleep
    on judged.user_id = sleep.user_id and judged.activity_date = sleep.sleep_date
