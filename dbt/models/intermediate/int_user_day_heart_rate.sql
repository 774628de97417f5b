{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{% if is_incremental() %}{{ fill_changed_user(changed_in(['heart_rate'], chooses_device=false)) }}{% endif %}",
    post_hook="{{ consume(ref('int_file_user')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.activity_date between changed_user.from_date and changed_user.to_date',
    },
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_file_user') }}, {{ ref('int_identifier') }}, {{ ref('int_participant') }}

with part as (
    {{ raw_parts(
        'heart_rate', local_time('source.measured_at'), {'beats_per_minute': 'beats_per_minute'},
        changed_user(changed_in(['heart_rate'], chooses_device=false)),
        key='measured_at', type='timestamp', written='source.measured_at',
    ) }}
),

moment as (

    select
        user_id,
        measured_at,
        max(beats_per_minute) > 0 as is_reading,
        count(*) as raw_rows,
        coalesce(min(beats_per_minute) <> max(beats_per_minute), false) as has_conflict
    from part
    group by user_id, measured_at

),

minute as (

    select
        user_id,
        date_trunc('minute', measured_at) as measured_minute,
        coalesce(bool_or(is_reading), false) as has_reading,
        sum(raw_rows) as raw_rows,
        count(*) as moments,
        count(*) filter (where has_conflict) as conflicts
    from moment
    group by user_id, date_trunc('minute', measured_at)

),

measured as (

    select
        user_id,
        measured_minute::date as activity_date,
        count(*) filter (where has_reading) as minutes,
        count(distinct date_trunc('hour', measured_minute)) filter (where has_reading) as hours,
        sum(raw_rows) as raw_rows,
        sum(moments) as moments,
        sum(conflicts) as conflicts
    from minute
    group by user_id, measured_minute::date

)

select
    user_id,
    activity_date,
    minutes::integer as minutes_measured,
    hours::integer as hours_measured,
    -- a device that measures every few minutes has few minutes with a reading, however long it is worn
    case when hours > 0 and minutes >= 60 * hours / 2.0 then minutes end::integer as minutes_worn,
    raw_rows::bigint as raw_rows,
    moments::bigint as moments,
    conflicts::bigint as conflicts
from measured
