{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{{ fill_changed_user() }}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.month_start_date between ' ~ month('changed_user.from_date') ~ ' and changed_user.to_date',
    },
) }}

with hour_sum as (

    select
        hour.user_id,
        hour.activity_hour::date as activity_date,
        hour.device,
        sum(hour.steps) as steps
    {% if is_incremental() %}
    from {{ changed_user() }}
    inner join {{ ref('stg_hourly_steps') }} as hour
        on
            changed_user.user_id = hour.user_id
            and hour.activity_hour >= {{ month('changed_user.from_date') }}
            and hour.activity_hour < {{ month('changed_user.to_date') }} + interval '1 month'
    {% else %}
    from {{ ref('stg_hourly_steps') }} as hour
    {% endif %}
    where hour.made_from = 'hours' and hour.steps is not null
    group by hour.user_id, hour.activity_hour::date, hour.device

)

{% for dataset in var('datasets') %}
select
    staged.user_id,
    '{{ dataset.name }}' as source_name,
    {{ month('staged.' ~ dataset.staged_time) }} as month_start_date,
    sum(staged.raw_rows)::bigint as rows_in,
    -- what is made of finer rows has no raw row
    {{ 'sum(staged.' ~ dataset.raw_keys ~ ')::bigint' if dataset.raw_keys else 'count(*) filter (where staged.raw_rows > 0)' }} as rows_out,
    count(*) as rows_staged,
    {{ 'sum(staged.' ~ dataset.conflicts ~ ')::bigint' if dataset.conflicts else 'count(*) filter (where staged.has_conflict)' }}
        as overlap_conflicts
{% if is_incremental() %}
from {{ changed_user() }}
inner join {{ ref(dataset.staged) }} as staged
    on
        changed_user.user_id = staged.user_id
        and staged.{{ dataset.staged_time }} >= {{ month('changed_user.from_date') }}
        and staged.{{ dataset.staged_time }} < {{ month('changed_user.to_date') }} + interval '1 month'
{% else %}
from {{ ref(dataset.staged) }} as staged
{% endif %}
group by staged.user_id, {{ month('staged.' ~ dataset.staged_time) }}
union all
{% endfor %}
-- days that were exported both as a day and as hours
select
    activity.user_id,
    '{{ days_and_hours() }}' as source_name,
    {{ month('activity.activity_date') }} as month_start_date,
    count(*) as rows_in,
    count(*) as rows_out,
    count(*) as rows_staged,
    count(*) filter (where 100 * abs(activity.steps - hour_sum.steps) > activity.steps) as overlap_conflicts
from hour_sum
inner join {{ ref('stg_daily_activity') }} as activity
    on
        hour_sum.user_id = activity.user_id
        and hour_sum.activity_date = activity.activity_date
        and hour_sum.device = activity.device
where activity.made_from = 'days' and activity.steps is not null
group by activity.user_id, {{ month('activity.activity_date') }}
