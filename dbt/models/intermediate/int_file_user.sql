{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['user_id', 'identifier', 'file_id'],
    indexes=[
        {'columns': ['changed_at']},
        {'columns': ['file_id']},
        {'columns': ['identifier']},
        {'columns': ['user_id', 'source_name', 'last_date']},
    ],
    post_hook="{{ consume(ref('int_file'), ref('int_identifier'), ref('int_participant')) }}",
    meta={'distribution': 'user_id'},
) }}

-- depends_on: {{ ref('int_identifier') }}, {{ ref('int_participant') }}

with changed_file as (

    select * from {{ ref('int_file') }}
    where changed_at > {{ consumed_at() }}

),

-- filters by file first: checking the dates of all rows takes longer
found as (
    {% for dataset in var('datasets') %}
    select
        user_id as identifier,
        _file_id as file_id,
        {% set around = days_around() if dataset.has_offset else '0' %}
        min(({{ dataset.raw_time }})::date - {{ around }}) filter (where {{ is_plausible(dataset.raw_time) }}) as first_date,
        max(({{ dataset.raw_time }})::date + {{ around }}) filter (where {{ is_plausible(dataset.raw_time) }}) as last_date,
        {% if dataset.has_offset %}
        count(*) filter (where {{ is_plausible(dataset.raw_time) }} and _offset = {{ utc_clock() }}) as rows_in_utc,
        {% else %}
        0 as rows_in_utc,
        {% endif %}
        -- '' stands for the device of the file
        {{ "array_agg(distinct coalesce(recorded_by, ''))" if dataset.has_recorders else "array['']" }} as recorders
    from {{ source('raw', dataset.name) }}
    where
        exists (select 1 from changed_file where is_loaded and source_name = '{{ dataset.name }}')
        and _file_id = any(array(select file_id from changed_file where is_loaded and source_name = '{{ dataset.name }}'))
    group by user_id, _file_id
    having bool_or({{ is_plausible(dataset.raw_time) }})
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

added as (

    select
        {{ participant_of('found.identifier') }} as user_id,
        found.identifier,
        found.file_id,
        found.first_date,
        found.last_date,
        found.rows_in_utc,
        found.recorders
    from found
    {{ join_identifiers('found.identifier') }}

){% if is_incremental() %},

removed as (

    select
        known.user_id,
        known.identifier,
        known.file_id,
        known.first_date,
        known.last_date,
        known.rows_in_utc,
        string_to_array(known.devices, e'\n') as recorders
    from {{ this }} as known
    left join added
        on known.user_id = added.user_id and known.identifier = added.identifier and known.file_id = added.file_id
    where
        known.is_loaded
        and known.file_id = any(array(select file_id from changed_file))
        and added.user_id is null

),

-- an identifier that now means another participant: both change
moved as (

    select
        known.*,
        known_as.user_id as new_user_id,
        known_as.changed_at as moved_at
    from {{ ref('int_identifier') }} as known_as
    inner join {{ this }} as known on known_as.identifier = known.identifier
    where
        known_as.changed_at > {{ consumed_at() }}
        and known.is_loaded
        and known.user_id <> known_as.user_id
        and known.file_id <> all(array(select file_id from changed_file))

),

-- another time zone or device: all days of the participant change
revised as (

    select
        known.*,
        participant.changed_at as revised_at
    from {{ ref('int_participant') }} as participant
    inner join {{ this }} as known on participant.user_id = known.user_id
    left join moved
        on known.user_id = moved.user_id and known.identifier = moved.identifier and known.file_id = moved.file_id
    where
        participant.changed_at > {{ consumed_at() }}
        and known.is_loaded
        and moved.user_id is null
        and known.file_id <> all(array(select file_id from changed_file))

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
    changed.identifier,
    changed.file_id,
    changed_file.source_name,
    changed.first_date,
    changed.last_date,
    changed.rows_in_utc,
    array_to_string(array_replace(changed.recorders, '', changed_file.device), e'\n') as devices,
    changed.is_loaded,
    changed_file.changed_at
from changed
inner join changed_file on changed.file_id = changed_file.file_id
{% if is_incremental() %}
{% for rows, user, is_loaded, changed_at in [
    ('moved', 'user_id', 'false', 'moved_at'),
    ('moved', 'new_user_id', 'true', 'moved_at'),
    ('revised', 'user_id', 'true', 'revised_at'),
] %}
union all
select
    {{ user }} as user_id,
    identifier,
    file_id,
    source_name,
    first_date,
    last_date,
    rows_in_utc,
    devices,
    {{ is_loaded }} as is_loaded,
    {{ changed_at }} as changed_at
from {{ rows }}
{% endfor %}
{% endif %}
