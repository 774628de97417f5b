{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{% if is_incremental() %}{{ fill_changed_user(changed_in(['minute_activity'], chooses_device=false)) }}{% endif %}",
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 
            'old.activity_hour >= changed_user.from_date and old.activity_hour < changed_user.to_date + 1',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}, {{ ref('int_identifier') }}, {{ ref('int_participant') }}

{#
    Files hold one measure each: a minute's steps, distance and calories come from three. A moment is told apart to the second, for
    a telephone counts from when to when it likes.
#}
{% set columns = {'steps': 'steps', 'distance_km': 'distance_km', 'calories': 'calories'} %}
{% set taken = dict(columns, clock_offset=local_offset('source.activity_minute')) %}
{% set first = 'order by ' ~ later_first(columns, 'part') %}
with part as (
    {{ raw_parts(
        'minute_activity', local_time('source.activity_minute'), taken,
        changed_user(changed_in(['minute_activity'], chooses_device=false)),
        key='activity_minute', type='timestamp', written='source.activity_minute', device='coalesce(source.recorded_by, file.device)',
    ) }}
),

moment as (

    select
        part.user_id,
        part.activity_minute,
        part.device,
        {% for name in columns %}
        (array_agg({{ 'part.' ~ name }} {{ first }}) filter (where {{ 'part.' ~ name }} is not null))[1] as {{ name }},
        {% endfor %}
        max(part.file_id) as file_id,
        count(*) as raw_rows,
        {% for name in columns %}
        {{ 'or ' if not loop.first }}coalesce(min(part.{{ name }}) <> max(part.{{ name }}), false)
        {% endfor %}
        as has_conflict
    from part
    inner join {{ ref('int_file') }} as file on part.file_id = file.file_id
    group by part.user_id, part.activity_minute, part.clock_offset, part.device

)

select
    user_id,
    date_trunc('hour', activity_minute) as activity_hour,
    device,
    sum(steps)::int as steps,
    sum(distance_km) as distance_km,
    sum(calories) as calories,
    max(file_id) as file_id,
    sum(raw_rows)::bigint as raw_rows,
    count(*) as moments,
    count(*) filter (where has_conflict) as conflicts
from moment
group by user_id, date_trunc('hour', activity_minute), device
