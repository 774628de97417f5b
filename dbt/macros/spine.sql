{#
    Each day from begin_date to end_date of the users, with the record if there is one. `users` has user_id, last_date,
    begin_date and end_date.

    limit 1: the planner expects 1,000 days a user of generate_series. In an incremental run it would read all records to
    join them.
#}
{% macro spine(users) %}
    select
        span.user_id,
        span.begin_date + day_number as activity_date,
        activity.activity_date is not null as has_record,
        activity.steps,
        activity.distance_km,
        activity.very_active_minutes,
        activity.fairly_active_minutes,
        activity.lightly_active_minutes,
        activity.sedentary_minutes,
        activity.calories,
        activity.device,
        activity.made_from,
        span.begin_date + day_number = span.last_date as is_partial_day
    from {{ users }} as span
    cross join lateral generate_series(0, span.end_date - span.begin_date) as day_number
    left join lateral (
        select record.*
        from {{ ref('stg_daily_activity') }} as record
        where record.user_id = span.user_id and record.activity_date = span.begin_date + day_number
        {% if is_incremental() %}limit 1{% endif %}
    ) as activity on true
{% endmacro %}
