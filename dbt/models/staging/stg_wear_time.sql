{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{% if is_incremental() %}{{ fill_changed_user(changed_in(['wear_time'])) }}{% endif %}",
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.worn_date between changed_user.from_date and changed_user.to_date',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}, {{ ref('int_user_of_devices') }}, {{ ref('int_identifier') }}

{% set columns = {'minutes_worn': 'minutes_worn', 'worn_percent': 'worn_percent'} %}
{% set changed = changed_user(changed_in(['wear_time'])) %}
{% set parts = raw_parts('wear_time', 'source.wear_date', columns, changed, key='worn_date') %}

{{ merge_parts(parts, 'worn_date', columns | list, ['days', 'days']) }}
