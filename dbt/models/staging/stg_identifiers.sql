{{ config(materialized='view', meta={'distribution': 'reference'}) }}

with source as (

    select
        drop_row.identifier,
        drop_row.user_id,
        origin.file_id,
        -- the same for all rows of a file
        rank() over (
            partition by drop_row.identifier
            order by origin.file_name collate "C" desc, origin.file_id desc
        ) as precedence
    from {{ source('raw', 'identifiers') }} as drop_row
    inner join {{ ref('stg_file') }} as origin on drop_row._file_id = origin.file_id

)

select
    identifier,
    case when min(user_id) = max(user_id) then min(user_id) end as user_id,
    min(user_id) <> max(user_id) as has_conflict,
    file_id
from source
where precedence = 1
group by identifier, file_id
