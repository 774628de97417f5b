{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{{ fill_changed_user(changed_in_days_of_devices()) }}",
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.activity_date between changed_user.from_date and changed_user.to_date',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}, {{ ref('int_user_of_devices') }}, {{ ref('int_identifier') }}

{% set changed = changed_user(changed_in_days_of_devices()) %}
{% set activity = {
    'steps': 'total_steps',
    'calories': 'calories',
    'distance_km': 'total_distance',
    'very_active_minutes': 'very_active_minutes',
    'fairly_active_minutes': 'fairly_active_minutes',
    'lightly_active_minutes': 'lightly_active_minutes',
    'sedentary_minutes': 'sedentary_minutes',
} %}
{% set sleep = {'minutes_asleep': 'total_minutes_asleep'} %}
{% set columns = activity | list + sleep | list + ['minutes_worn'] %}
with hour as {{ read_twice() }} (
    {{ raw_parts(
        'hourly_steps', local_time('source.activity_hour'),
        {'steps': 'step_total', 'clock_offset': local_offset('source.activity_hour')}, changed,
        key='activity_hour', type='timestamp', written='source.activity_hour', always=true,
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
    from {{ changed_moments(ref('int_user_hour_activity'), 'activity_hour', changed, always=true) }}
),

exported_hour as (

    select
        hour.*,
        -- a clock that is not known is the first that showed the hour, which is the one furthest east
        coalesce(hour.clock_offset, max(hour.clock_offset) over (
            partition by hour.user_id, hour.activity_hour, hour.device
        )) as clock
    from hour
    where hour.origin = 0 and hour.steps is not null

),

hour_of_device as (

    select distinct on (hour.user_id, hour.activity_hour, hour.device, hour.clock) hour.*
    from exported_hour as hour
    inner join {{ ref('int_file') }} as file on hour.file_id = file.file_id
    order by hour.user_id, hour.activity_hour, hour.device, hour.clock, {{ later_first(['steps'], 'hour') }}

),

activity_part as (
    {{ raw_parts('daily_activity', 'source.activity_date', activity, changed, key='activity_date', always=true) }}

    union all

    select
        user_id,
        activity_hour::date as activity_date,
        {% for name in activity %}
        {{ 'sum(steps)::integer' if name == 'steps' else 'null' }} as {{ name }},
        {% endfor %}
        device,
        max(file_id) as file_id,
        1 as origin
    from hour_of_device
    group by user_id, activity_hour::date, device

    union all

    {{ days_of_minutes(activity, changed, always=true) }}
),

sleep_part as (
    {{ raw_parts('sleep', 'source.sleep_day', sleep, changed, key='activity_date', always=true) }}

    union all

    {{ days_of_records(sleep, changed, always=true) }}
),

wear_part as (
    {{ raw_parts(
        'wear_time', 'source.wear_date', {'minutes_worn': 'minutes_worn'}, changed, key='activity_date', always=true
    ) }}
),

said as (
    {% for part, given in [
        ('activity_part', activity), ('sleep_part', sleep), ('wear_part', {'minutes_worn': 'minutes_worn'})
    ] %}
    select
        part.user_id,
        part.activity_date,
        part.device,
        {% for name in columns %}
        {% if name in given %}
        {% set first = 'order by part.origin, ' ~ later_first(given, 'part') %}
        (array_agg(part.{{ name }} {{ first }}) filter (where part.{{ name }} is not null))[1] as {{ name }},
        {% else %}
        null::{{ 'double precision' if name == 'distance_km' else 'integer' }} as {{ name }},
        {% endif %}
        {% endfor %}
        null::integer as wear_hours
    from {{ part }} as part
    inner join {{ ref('int_file') }} as file on part.file_id = file.file_id
    group by part.user_id, part.activity_date, part.device

    union all

    {% endfor %}
    select
        user_id,
        activity_hour::date as activity_date,
        device,
        {% for name in columns %}
        null as {{ name }},
        {% endfor %}
        count(distinct activity_hour) filter (where steps > 0)::integer as wear_hours
    from hour
    group by user_id, activity_hour::date, device
),

device_day as (

    select
        user_id,
        activity_date,
        device,
        {% for name in columns + ['wear_hours'] %}
        max({{ name }}) as {{ name }},
        {% endfor %}
        count(*) over (partition by user_id, activity_date) as devices
    from said
    group by user_id, activity_date, device

)

select
    device_day.user_id,
    device_day.activity_date,
    device_day.device,
    row_number() over (
        partition by device_day.user_id, device_day.activity_date
        order by
            coalesce(strpos(lower(device_day.device), lower(participant.device)) > 0, false) desc,
            coalesce(device_day.minutes_worn, 60 * device_day.wear_hours) desc nulls last,
            {{ place_of('device_day.device') }},
            device_day.device collate "C"
    )::smallint as device_rank,
    {% for name in columns %}
    device_day.{{ name }},
    {% endfor %}
    device_day.wear_hours
from device_day
left join {{ ref('int_participant') }} as participant on device_day.user_id = participant.user_id
where device_day.devices > 1
