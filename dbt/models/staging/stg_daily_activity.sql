{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{% if is_incremental() %}{{ fill_changed_user(changed_in(['daily_activity', 'hourly_steps', 'minute_activity'])) }}{% endif %}",
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.activity_date between changed_user.from_date and changed_user.to_date',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}, {{ ref('int_user_of_devices') }}, {{ ref('int_identifier') }}

{% set columns = {
    'steps': 'total_steps',
    'calories': 'calories',
    'distance_km': 'total_distance',
    'very_active_minutes': 'very_active_minutes',
    'fairly_active_minutes': 'fairly_active_minutes',
    'lightly_active_minutes': 'lightly_active_minutes',
    'sedentary_minutes': 'sedentary_minutes',
    'tracker_distance_km': 'tracker_distance',
    'logged_distance_km': 'logged_activities_distance',
    'very_active_distance_km': 'very_active_distance',
    'moderately_active_distance_km': 'moderately_active_distance',
    'lightly_active_distance_km': 'light_active_distance',
    'sedentary_distance_km': 'sedentary_active_distance',
} %}
{% set changed = changed_user(changed_in(['daily_activity', 'hourly_steps', 'minute_activity'])) %}
{% set parts %}
    {{ raw_parts('daily_activity', 'source.activity_date', columns, changed, key='activity_date') }}

    union all

    {{ days_of_hours(columns, changed) }}

    union all

    {{ days_of_minutes(columns, changed) }}
{% endset %}

{{ merge_parts(parts, 'activity_date', columns | list, ['days', 'hours', 'minutes']) }}
