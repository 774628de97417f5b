{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['user_id', 'file_id'],
    indexes=[
        {'columns': ['changed_at']},
        {'columns': ['file_id']},
        {'columns': ['user_id', 'source_name', 'last_date']},
    ],
    post_hook="{{ consume(ref('int_file')) }}",
    meta={'distribution': 'user_id'},
) }}

with changed_file as (

    select * from {{ ref('int_file') }}
    where changed_at > {{ consumed_at() }}

),

-- filters by file first: checking the dates of all rows takes longer
added as (
    {% for dataset in var('datasets') %}
    select
        user_id,
        _file_id as file_id,
        min(({{ dataset.raw_time }})::date) filter (where {{ is_plausible(dataset.raw_time) }}) as first_date,
        max(({{ dataset.raw_time }})::date) filter (where {{ is_plausible(dataset.raw_time) }}) as last_date,
        -- '' stands for the device of the file
        {{ "array_agg(distinct coalesce(recorded_by, ''))" if dataset.has_recorders else "array['']" }} as recorders
    from {{ source('raw', dataset.name) }}
    where
        exists (select from changed_file where is_loaded and source_name = '{{ dataset.name }}')
        and _file_id = any(array(select file_id from changed_file where is_loaded and source_name = '{{ dataset.name }}'))
    group by user_id, _file_id
    having bool_or({{ is_plausible(dataset.raw_time) }})
    {{ 'union all' if not loop.last }}
    {% endfor %}
){% if is_incremental() %},

removed as (

    select
        known.user_id,
        known.file_id,
        known.first_date,
        known.last_date,
        string_to_array(known.devices, e'\n') as recorders
    from {{ this }} as known
    left join added on known.user_id = added.user_id and known.file_id = added.file_id
    where
        known.is_loaded
        and known.file_id = any(array(select file_id from changed_file))
        and added.user_id is null

){% endif %},

changed as (

    select
        *,
        true as is_loaded
    from added
    {% if is_incremental() %}
    union all
    select
        *,
        false as is_loaded
    from removed
    {% endif %}

)

select
    changed.user_id,
    changed.file_id,
    changed_file.source_name,
    changed.first_date,
    changed.last_date,
    array_to_string(array_replace(changed.recorders, '', changed_file.device), e'\n') as devices,
    changed.is_loaded,
    changed_file.changed_at
from changed
inner join changed_file on changed.file_id = changed_file.file_id
