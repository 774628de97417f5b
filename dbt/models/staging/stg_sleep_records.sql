{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{% if is_incremental() %}{{ fill_changed_user(changed_in(['sleep_records'], chooses_device=false)) }}{% endif %}",
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.sleep_date between changed_user.from_date and changed_user.to_date',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}, {{ ref('int_identifier') }}, {{ ref('int_participant') }}

{% set columns = {
    'started_at': local_time('source.started_at'),
    'ended_at': local_time('source.ended_at'),
    'is_main_sleep': 'is_main_sleep',
    'minutes_asleep': 'minutes_asleep',
    'minutes_in_bed': 'minutes_in_bed',
    'minutes_awake': 'minutes_awake',
    'minutes_light': 'minutes_light',
    'minutes_deep': 'minutes_deep',
    'minutes_rem': 'minutes_rem',
    'sleep_type': 'sleep_type',
    'log_id': 'log_id',
} %}
{% set first = 'order by ' ~ later_first(['minutes_asleep', 'minutes_in_bed'], 'part') %}
{% set waking %}
coalesce(
    source.ended_at,
    source.started_at + source.minutes_in_bed * interval '1 minute',
    source.started_at
)
{%- endset %}
with part as (
    {{ raw_parts(
        'sleep_records', 'coalesce(source.sleep_day, ' ~ local_time(waking) ~ ')', columns,
        changed_user(changed_in(['sleep_records'], chooses_device=false)), key='sleep_date',
        written='coalesce(source.sleep_day, ' ~ waking ~ ')',
    ) }}
)

select
    part.user_id,
    part.sleep_date,
    part.started_at,
    part.device,
    {% for name in columns if name != 'started_at' %}
    (array_agg({{ 'part.' ~ name }} {{ first }}) filter (where {{ 'part.' ~ name }} is not null))[1] as {{ name }},
    {% endfor %}
    (array_agg(part.file_id {{ first }}))[1] as file_id,
    count(*) as raw_rows,
    {% for name in ['minutes_asleep', 'minutes_in_bed', 'minutes_awake', 'minutes_light', 'minutes_deep', 'minutes_rem'] %}
    {{ 'or ' if not loop.first }}coalesce(min(part.{{ name }}) <> max(part.{{ name }}), false)
    {% endfor %}
    as has_conflict
from part
inner join {{ ref('int_file') }} as file on part.file_id = file.file_id
group by part.user_id, part.sleep_date, part.started_at, part.device
