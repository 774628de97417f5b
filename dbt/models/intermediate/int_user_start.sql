{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{{ fill_changed_user(users_with_another_start()) }}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'true',
    },
) }}

-- the first valid days of each user, from the index
with first_day as (

    select
        changed_user.user_id,
        valid_day.*
    from {{ changed_user(users_with_another_start()) }}
    cross join lateral (
        select
            user_day.activity_date,
            user_day.steps,
            user_day.wear_minutes,
            user_day.wear_hours
        from {{ ref('fct_user_day') }} as user_day
        where user_day.user_id = changed_user.user_id and user_day.is_valid_day
        order by user_day.activity_date
        limit {{ var('max_start_days') }}
    ) as valid_day

),

-- the start as of each of these days
growing as (

    select
        user_id,
        activity_date as end_date,
        (count(*) over until_day)::int as start_valid_days,
        avg(ln(steps::double precision)) over until_day as mean_log_steps,
        stddev_samp(ln(steps::double precision)) over until_day as sd_log_steps,
        {% for amount in ['steps', 'wear_minutes', 'wear_hours'] %}
        array_agg({{ amount }}::bigint) filter (where {{ amount }} is not null) over until_day as {{ amount }}_series,
        (count({{ amount }}) over until_day)::int as {{ amount }}_days{{ ',' if not loop.last }}
        {% endfor %}
    from first_day
    window
        until_day as (
            partition by user_id order by activity_date
            rows between unbounded preceding and current row
        )

)

select
    user_id,
    start_valid_days,
    end_date,
    mean_log_steps,
    sd_log_steps,
    {% for amount in ['steps', 'wear_minutes', 'wear_hours'] %}
    case
        when {{ amount }}_days >= {{ var('min_baseline_days') }}
            then {{ intermediate() }}.twice_median(sorted.{{ amount }}, {{ amount }}_days) / 2.0::real
    end::real as median_{{ amount }}{{ ',' if not loop.last }}
    {% endfor %}
from growing
cross join lateral (
    select
        {% for amount in ['steps', 'wear_minutes', 'wear_hours'] %}
        {{ intermediate() }}.array_sorted({{ amount }}_series) as {{ amount }}{{ ',' if not loop.last }}
        {% endfor %}
    -- keeps the planner from copying the sorting into each place that reads it
    limit all
) as sorted
where start_valid_days >= {{ var('min_start_days') }}
