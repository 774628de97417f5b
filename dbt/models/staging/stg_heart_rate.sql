{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

with source as (

    select
        {{ participant_of('drop_row.user_id') }} as user_id,
        {{ local_time('drop_row.measured_at', 'drop_row') }} as measured_at,
        drop_row.beats_per_minute,
        drop_row._file_id,
        origin.file_name
    from {{ source('raw', 'heart_rate') }} as drop_row
    inner join {{ ref('stg_file') }} as origin on drop_row._file_id = origin.file_id
    {{ join_identifiers('drop_row.user_id') }}
    {{ join_time_zones(participant_of('drop_row.user_id')) }}
    where {{ is_plausible('drop_row.measured_at') }} and {{ has_day('drop_row') }}

),

renamed as (

    select
        user_id,
        measured_at,
        beats_per_minute,
        _file_id as file_id,
        row_number() over (
            partition by user_id, measured_at
            order by file_name collate "C" desc, beats_per_minute desc nulls last, _file_id desc
        ) as precedence
    from source

)

select
    user_id,
    measured_at,
    beats_per_minute,
    file_id
from renamed
where precedence = 1
