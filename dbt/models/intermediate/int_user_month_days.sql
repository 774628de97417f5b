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
        coalesce(user_day.steps between {{ var('min_steps') }} and {{ var('max_steps') }}, false) as is_plausible,
        {{ is_surely_worn('user_day') }} as is_surely_worn,
        user_day.steps
    from {{ changed_days(ref('fct_user_day'), month('changed_user.from_date'), 'changed_user.last_date') }}

)

select
    user_id,
    month_start_date,
    judgement,
    is_plausible,
    is_surely_worn,
    count(*)::int as days,
    count(steps)::int as days_with_steps,
    coalesce(sum(steps), 0)::bigint as steps
from judged
group by user_id, month_start_date, judgement, is_plausible, is_surely_worn
