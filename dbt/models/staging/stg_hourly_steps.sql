{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{% if is_incremental() %}{{ fill_changed_user(changed_in_dataset('hourly_steps')) }}{% endif %}",
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'replaces':
            'old.activity_hour >= changed_user.from_date and old.activity_hour < changed_user.to_date + 1',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}, {{ ref('int_identifier') }}

{{ resolve('hourly_steps', 'activity_hour', {
    'steps': 'step_total',
}, changed_user(changed_in_dataset('hourly_steps')), key='activity_hour', type='timestamp') }}
