{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{% if is_incremental() %}{{ fill_changed_user(changed_in(['sleep', 'sleep_records'])) }}{% endif %}",
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.sleep_date between changed_user.from_date and changed_user.to_date',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}, {{ ref('int_user_of_devices') }}, {{ ref('int_identifier') }}

{% set columns = {
    'minutes_asleep': 'total_minutes_asleep',
    'minutes_in_bed': 'total_time_in_bed',
    'sleep_records': 'total_sleep_records',
    'minutes_awake': 'total_minutes_awake',
    'minutes_light': 'total_minutes_light',
    'minutes_deep': 'total_minutes_deep',
    'minutes_rem': 'total_minutes_rem',
    'nap_minutes': 'null::integer',
} %}
{% set changed = changed_user(changed_in(['sleep', 'sleep_records'])) %}
{% set parts %}
    {{ raw_parts('sleep', 'source.sleep_day', columns, changed, key='sleep_date') }}

    union all

    {{ days_of_records(columns, changed) }}
{% endset %}

{{ merge_parts(parts, 'sleep_date', columns | list, ['days', 'records']) }}
