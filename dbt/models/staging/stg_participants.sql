{% set dates = ['enrolled_on', 'ends_on', 'withdrawn_on'] %}
{% set texts = ['arm', 'site', 'time_zone', 'device'] %}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ empty() }}",
    meta={'distribution': 'user_id'},
) }}

with source as (

    select
        drop_row.*,
        origin.file_id,
        -- the same for all rows of a file
        rank() over (
            partition by drop_row.user_id
            order by origin.file_name collate "C" desc, origin.file_id desc
        ) as precedence
    from {{ source('raw', 'participants') }} as drop_row
    inner join {{ ref('stg_file') }} as origin on drop_row._file_id = origin.file_id

),

-- REDCap exports a row an event, and each has some of the columns
combined as (

    select
        user_id,
        file_id,
        {% for column in dates + texts %}
        max({{ column }}) as {{ column }},
        {% endfor %}
        {% for column in dates + texts %}
        {{ 'or ' if not loop.first }}coalesce(min({{ column }}) <> max({{ column }}), false)
        {% endfor %}
        as has_conflict
    from source
    where precedence = 1
    group by user_id, file_id

),

zone as (

    select
        lower(name) as lower_name,
        min(name) as name
    from pg_timezone_names
    group by lower(name)

)

select
    combined.user_id,
    combined.enrolled_on,
    combined.ends_on,
    combined.withdrawn_on,
    combined.arm,
    combined.site,
    zone.name as time_zone,
    combined.device,
    combined.has_conflict,
    combined.time_zone is not null and zone.name is null as has_unknown_time_zone,
    combined.file_id
from combined
left join zone on lower(combined.time_zone) = zone.lower_name
