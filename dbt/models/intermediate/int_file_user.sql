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

{% set sources = {'daily_activity': 'activity_date', 'sleep': 'sleep_day', 'hourly_steps': 'activity_hour'} %}

with changed_file as (

    select * from {{ ref('int_file') }}
    where changed_at > {{ consumed_at() }}

),

-- the dates are looked at last: those of all rows, of whatever file, would take longer than finding the file's rows
added as (
    {% for source_name, day in sources.items() %}
    select
        user_id,
        _file_id as file_id,
        min({{ day }}::date) filter (where {{ is_plausible(day) }}) as first_date,
        max({{ day }}::date) filter (where {{ is_plausible(day) }}) as last_date
    from {{ source('raw', source_name) }}
    where
        exists (select from changed_file where is_loaded and source_name = '{{ source_name }}')
        and _file_id = any(array(select file_id from changed_file where is_loaded and source_name = '{{ source_name }}'))
    group by user_id, _file_id
    having bool_or({{ is_plausible(day) }})
    {{ 'union all' if not loop.last }}
    {% endfor %}
){% if is_incremental() %},

removed as (

    select
        known.user_id,
        known.file_id,
        known.first_date,
        known.last_date
    from changed_file
    -- limit all: as in changed_days
    cross join lateral (
        select former.*
        from {{ this }} as former
        where former.file_id = changed_file.file_id and former.is_loaded
        limit all
    ) as known
    left join added on known.user_id = added.user_id and known.file_id = added.file_id
    where added.user_id is null

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
    changed.is_loaded,
    changed_file.changed_at
from changed
inner join changed_file on changed.file_id = changed_file.file_id
