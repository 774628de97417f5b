{#
    A file is read once: a run deletes the rows of files that are gone or have other rows, and adds those of files that it does not
    know.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook=[
        "{% if is_incremental() %}{{ forget_files(this) }}{% endif %}",
        "{% if is_incremental() %}{{ rename_participants(this) }}{% endif %}",
    ],
    meta={'distribution': 'user_id'},
) }}
-- depends_on: {{ ref('int_identifier') }}

with new_file as (

    select file.*
    from {{ ref('stg_file') }} as file
    {% if is_incremental() %}
    where file.file_id not in (select known.file_id from {{ this }} as known)
    {% endif %}

),

-- a table without a new file is not read; the ids as an array, so that an index on _file_id is used
synced as (

    select
        user_id as identifier,
        _file_id as file_id,
        max(synced_at) as last_synced_at
    from {{ source('raw', 'sync_events') }}
    where
        exists (select 1 from new_file where source_name = 'sync_events')
        and _file_id = any(array(select file_id from new_file where source_name = 'sync_events'))
        and {{ is_plausible('synced_at') }}
    group by user_id, _file_id

),

charged as (

    select distinct on (user_id, _file_id)
        user_id as identifier,
        _file_id as file_id,
        read_at as last_read_at,
        level_percent,
        state
    from {{ source('raw', 'battery') }}
    where
        exists (select 1 from new_file where source_name = 'battery')
        and _file_id = any(array(select file_id from new_file where source_name = 'battery'))
        and {{ is_plausible('read_at') }}
    order by user_id asc, _file_id asc, read_at desc, level_percent desc nulls last, state desc nulls last

),

known as (

    select
        identifier,
        file_id,
        last_synced_at,
        null::timestamp as last_read_at,
        null::integer as level_percent,
        null::text as state
    from synced

    union all

    select
        identifier,
        file_id,
        null::timestamp as last_synced_at,
        last_read_at,
        level_percent,
        state
    from charged

)

select
    {{ participant_of('known.identifier') }} as user_id,
    known.identifier,
    known.file_id,
    file.file_name,
    file.rows_loaded,
    known.last_synced_at,
    known.last_read_at,
    known.level_percent,
    known.state
from known
inner join {{ ref('stg_file') }} as file on known.file_id = file.file_id
{{ join_identifiers('known.identifier') }}
