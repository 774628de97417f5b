{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    indexes=[{'columns': ['week_start_date']}],
    pre_hook="{{ fill_changed_user() }}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': "old.week_start_date >= changed_user.from_date - 6",
    },
) }}

{#
    Streaks and the last valid day depend on earlier weeks. An incremental run takes them from the week before the first one it
    builds.
#}
with user_day as (

    select
        user_day.*,
        {{ monday('user_day.activity_date') }} as week_start_date,
        {% if is_incremental() %}
        former.week_start_date + 6 - former.current_streak_days as former_break_date,
        former.week_start_date + 6 - former.days_since_last_valid_day as former_valid_date
        {% else %}
        null::date as former_break_date,
        null::date as former_valid_date
        {% endif %}
    from {{ changed_days(ref('fct_user_day'), monday('changed_user.from_date'), 'changed_user.last_date') }}
    {% if is_incremental() %}
    left join {{ this }} as former
        on changed_user.user_id = former.user_id and former.week_start_date = {{ monday('changed_user.from_date') }} - 7
    {% endif %}

),

marked as (

    select
        *,
        not is_partial_day as is_eligible,
        coalesce(
            max(activity_date) filter (where not is_valid_day) over by_date,
            former_break_date,
            min(activity_date) over by_date - 1
        ) as break_date,
        coalesce(max(activity_date) filter (where is_valid_day) over by_date, former_valid_date) as valid_date
    from user_day
    window by_date as (partition by user_id order by activity_date)

),

week as (

    select
        user_id,
        week_start_date,
        count(*) filter (where is_eligible) as eligible_days,
        count(*) filter (where is_valid_day) as valid_days,
        avg(steps) filter (where is_valid_day) as mean_steps,
        stddev_samp(steps) filter (where is_valid_day) as sd_steps,
        max(activity_date - break_date) filter (where is_valid_day) as longest_streak_days,
        max(activity_date) filter (where is_eligible) as last_eligible_date,
        max(break_date) filter (where is_eligible) as break_date,
        max(valid_date) filter (where is_eligible) as valid_date
    from marked
    group by user_id, week_start_date

)

select
    user_id,
    week_start_date,
    to_char(week_start_date, 'IYYY"-W"IW') as iso_week,
    eligible_days::int as eligible_days,
    valid_days::int as valid_days,
    valid_days::double precision / nullif(eligible_days, 0) as wear_rate,
    case when valid_days >= {{ var('min_week_valid_days') }} then mean_steps::double precision end as steps_per_valid_day,
    case
        when valid_days >= {{ var('min_week_valid_days') }} then (sd_steps / nullif(mean_steps, 0))::double precision
    end as steps_cv,
    case when eligible_days > 0 then coalesce(longest_streak_days, 0) end as longest_streak_days,
    last_eligible_date - break_date as current_streak_days,
    last_eligible_date - valid_date as days_since_last_valid_day
from week
