{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{% if is_incremental() %}{{ fill_changed_user(changed_in_dataset('sleep')) }}{% endif %}",
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.sleep_date between changed_user.from_date and changed_user.to_date',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}, {{ ref('int_identifier') }}

{{ resolve('sleep', 'sleep_day', {
    'minutes_asleep': 'total_minutes_asleep',
    'minutes_in_bed': 'total_time_in_bed',
    'sleep_records': 'total_sleep_records',
}, changed_user(changed_in_dataset('sleep')), key='sleep_date') }}
