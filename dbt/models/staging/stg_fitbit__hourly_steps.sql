{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

with source as (

    select
        drop_row.*,
        origin.file_name
    from {{ source('raw', 'hourly_steps') }} as drop_row
    inner join {{ ref('stg_pipeline__file') }} as origin on drop_row._file_id = origin.file_id
    where {{ is_plausible('drop_row.activity_hour') }}

),

renamed as (

    select
        user_id,
        activity_hour,
        step_total as steps,
        _file_id as file_id,
        row_number() over (
            partition by user_id, activity_hour
            order by file_name collate "C" desc, step_total desc nulls last, _file_id desc
        ) as precedence
    from source

)

select
    user_id,
    activity_hour,
    steps,
    file_id
from renamed
where precedence = 1
