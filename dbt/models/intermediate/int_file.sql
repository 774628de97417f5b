{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='file_id',
    meta={'distribution': 'reference'},
) }}

with loaded as (

    select * from {{ ref('stg_file') }}

),

new_file as (

    select loaded.*
    from loaded
    {% if is_incremental() %}
    -- rows replayed from quarantine add to a known file
    left join {{ this }} as known
        on loaded.file_id = known.file_id and loaded.rows_loaded = known.rows_loaded and known.is_loaded
    where known.file_id is null
    {% endif %}

),

-- a table without a new file is not read; the ids as an array, so that an index on _file_id is used if there is one
reach as (
    {% for dataset in var('datasets') %}
    select
        _file_id as file_id,
        count(*) as rows_raw,
        count(*) filter (where not {{ is_plausible(dataset.raw_time) }}) as rows_implausible,
        max(({{ dataset.raw_time }})::date) filter (where {{ is_plausible(dataset.raw_time) }}) as last_date
    from {{ source('raw', dataset.name) }}
    where
        exists (select 1 from new_file where source_name = '{{ dataset.name }}')
        and _file_id = any(array(select file_id from new_file where source_name = '{{ dataset.name }}'))
    group by _file_id
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

added as (

    select
        new_file.file_id,
        new_file.source_name,
        new_file.file_name,
        new_file.device,
        new_file.rows_loaded,
        coalesce(reach.rows_raw, 0) as rows_raw,
        coalesce(reach.rows_implausible, 0) as rows_implausible,
        reach.last_date,
        true as is_loaded
    from new_file
    left join reach on new_file.file_id = reach.file_id

){% if is_incremental() %},

removed as (

    select
        known.file_id,
        known.source_name,
        known.file_name,
        known.device,
        known.rows_loaded,
        known.rows_raw,
        known.rows_implausible,
        known.last_date,
        false as is_loaded
    from {{ this }} as known
    left join loaded on known.file_id = loaded.file_id
    where known.is_loaded and loaded.file_id is null

){% endif %},

changed as (

    select * from added
    {% if is_incremental() %}
    union all
    select * from removed
    {% endif %}

)

select
    *,
    {% if is_incremental() %}
    {{ time_of_change() }}
    {%- else %}
    clock_timestamp()
    {%- endif %} as changed_at
from changed
