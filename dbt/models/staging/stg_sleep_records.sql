{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

{{ newest('sleep_records', 'started_at', {
    'sleep_day': 'sleep_day',
    'ended_at': 'ended_at',
    'is_main_sleep': 'is_main_sleep',
    'minutes_asleep': 'minutes_asleep',
    'minutes_in_bed': 'minutes_in_bed',
    'minutes_awake': 'minutes_awake',
    'minutes_light': 'minutes_light',
    'minutes_deep': 'minutes_deep',
    'minutes_rem': 'minutes_rem',
    'sleep_type': 'sleep_type',
    'log_id': 'log_id',
}) }}
