{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

with source as (

    select
        profile.user_id,
        profile.time_zone,
        profile.weight_unit,
        profile._file_id as file_id,
        row_number() over (
            partition by profile.user_id
            order by origin.file_name collate "C" desc, profile.time_zone desc nulls last, profile._file_id desc
        ) as precedence
    from {{ source('raw', 'profiles') }} as profile
    inner join {{ ref('stg_file') }} as origin on profile._file_id = origin.file_id

)

select
    user_id,
    time_zone,
    weight_unit,
    file_id
from source
where precedence = 1
