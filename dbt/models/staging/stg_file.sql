{{ config(materialized='view') }}

with source as (

    select * from {{ source('ops', 'raw_ingest_manifest') }}

),

renamed as (

    select
        file_id,
        source as source_name,
        source_filename as file_name,
        coalesce(device, 'unnamed') as device,
        rows_read,
        rows_rejected + rows_blank + rows_erased as rows_rejected,
        row_count as rows_loaded
    from source
    where status = 'loaded' and target_schema = '{{ var("raw_schema") }}'

)

select * from renamed
