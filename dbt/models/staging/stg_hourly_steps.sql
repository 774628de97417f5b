{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'source_name': 'hourly_steps',
        'replaces': 't.activity_hour >= c.from_date and t.activity_hour < c.to_date + 1',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}

{{ resolve('hourly_steps', 'activity_hour', {
    'steps': 'step_total',
}, changed_in_source('hourly_steps'), key='activity_hour', type='timestamp') }}
