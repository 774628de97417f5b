{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{% if is_incremental() %}{{ fill_changed_user(changed_in(['hourly_steps', 'minute_activity'])) }}{% endif %}",
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 
            'old.activity_hour >= changed_user.from_date and old.activity_hour < changed_user.to_date + 1',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}, {{ ref('int_user_of_devices') }}, {{ ref('int_identifier') }}, {{ ref('int_participant') }}

{% set changed = changed_user(changed_in(['hourly_steps', 'minute_activity'])) %}
{% set columns = {'steps': 'step_total', 'clock_offset': local_offset('source.activity_hour')} %}
{% set parts %}
    {{ raw_parts(
        'hourly_steps', local_time('source.activity_hour'), columns, changed,
        key='activity_hour', type='timestamp', written='source.activity_hour',
    ) }}

    union all

    select
        made.user_id,
        made.activity_hour,
        made.steps,
        null::integer as clock_offset,
        made.device,
        made.file_id,
        1 as origin
    from {{ changed_moments(ref('int_user_hour_activity'), 'activity_hour', changed) }}
    where made.steps is not null
{% endset %}

{{ merge_parts(parts, 'activity_hour', ['steps'], ['hours', 'minutes'], clock='clock_offset') }}
