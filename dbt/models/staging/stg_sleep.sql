{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'source_name': 'sleep',
        'replaces': 't.sleep_date between c.from_date and c.to_date',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}

{{ resolve('sleep', 'sleep_day', {
    'minutes_asleep': 'total_minutes_asleep',
    'minutes_in_bed': 'total_time_in_bed',
    'sleep_records': 'total_sleep_records',
}, changed_in_source('sleep'), key='sleep_date') }}
