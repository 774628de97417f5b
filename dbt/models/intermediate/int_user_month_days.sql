{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{{ fill_changed_user() }}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.month_start_date >= ' ~ month('changed_user.from_date'),
    },
) }}

with judged as (

    select
        user_day.user_id,
        {{ month('user_day.activity_date') }} as month_start_date,
        coalesce(user_day.invalid_reason, 'valid') as judgement,
        coalesce({{ null_reason(
            'baseline.steps_is_low', 'user_day.invalid_reason', 'user_day.steps', 'baseline.steps_median', 'nullif(baseline.steps_mad, 0)'
        ) }}, 'can_be_flagged') as flagging,
        {{ steps_from('user_day.steps') }} as steps_from,
        {{ is_surely_worn('user_day') }} as is_surely_worn,
        user_day.steps
    from {{ changed_days(ref('fct_user_day'), month('changed_user.from_date'), 'changed_user.last_date') }}
    -- limit 1: without it, the planner would read the baseline of every day to find those of a month
    cross join lateral (
        select
            usual.steps_is_low,
            usual.steps_median,
            usual.steps_mad
        from {{ ref('int_user_day_baseline') }} as usual
        where usual.user_id = user_day.user_id and usual.activity_date = user_day.activity_date
        {% if is_incremental() %}limit 1{% endif %}
    ) as baseline

)

select
    user_id,
    month_start_date,
    judgement,
    flagging,
    steps_from,
    is_surely_worn,
    count(*)::int as days,
    count(steps)::int as days_with_steps,
    coalesce(sum(steps), 0)::bigint as steps
from judged
group by user_id, month_start_date, judgement, flagging, steps_from, is_surely_worn
