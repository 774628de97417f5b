{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

with source as (

    select
        {{ participant_of('drop_row.user_id') }} as user_id,
        {{ local_time('drop_row.weighed_at', 'drop_row') }} as weighed_at,
        drop_row.weight_kg,
        drop_row.fat_percent,
        drop_row.bmi,
        drop_row.is_manual_report,
        drop_row.log_id,
        drop_row._file_id,
        origin.file_name
    from {{ source('raw', 'weight') }} as drop_row
    inner join {{ ref('stg_file') }} as origin on drop_row._file_id = origin.file_id
    {{ join_identifiers('drop_row.user_id') }}
    {{ join_time_zones(participant_of('drop_row.user_id')) }}
    where {{ is_plausible('drop_row.weighed_at') }} and {{ has_day('drop_row') }}

),

renamed as (

    select
        user_id,
        weighed_at,
        weight_kg,
        fat_percent,
        bmi,
        is_manual_report,
        log_id,
        _file_id as file_id,
        row_number() over (
            partition by user_id, weighed_at
            order by file_name collate "C" desc, weight_kg desc nulls last, _file_id desc
        ) as precedence
    from source

)

select
    user_id,
    weighed_at,
    weight_kg,
    fat_percent,
    bmi,
    is_manual_report,
    log_id,
    file_id
from renamed
where precedence = 1
