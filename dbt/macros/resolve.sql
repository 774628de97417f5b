{# A device cannot measure before it was sold, or after its file was loaded; one day more allows for time zones. #}
{% macro is_plausible(day) -%}
    ({{ day }} >= date '{{ var("earliest_date") }}' and {{ day }} < _loaded_at::date + 2)
{%- endmacro %}


{#
    One row a user and day (or hour: `key` is the column's name, `type` its type) from the raw rows of all files.

    The file with the latest date wins: an export is made before its last day is over. Of files with the same latest date the
    greater name wins, and within a file the row with the greater values, in the order of `columns`. The order of loading makes
    no difference. `changed` is changed_user(), with the users and dates that an incremental run builds.
#}
{% macro resolve(dataset, day, columns, changed, key, type='date') %}
{% set later = ['file_last_date desc', 'file_name collate "C" desc'] %}
{% for name in columns %}{% do later.append(name ~ ' desc nulls last') %}{% endfor %}
with {% if is_incremental() %}-- what the files call the changed users, and the files that hold changed days
owner as (

    select
        changed_user.user_id,
        changed_user.from_date,
        changed_user.to_date,
        file_user.identifier,
        file_user.file_id
    from {{ changed }}
    inner join {{ ref('int_file_user') }} as file_user
        on
            changed_user.user_id = file_user.user_id
            and changed_user.from_date <= file_user.last_date
            and changed_user.to_date >= file_user.first_date
    where file_user.source_name = '{{ dataset }}' and file_user.is_loaded

),

{% endif %}owned as (

    select
        {{ 'owner.user_id' if is_incremental() else participant_of('source.user_id') ~ ' as user_id' }},
        source.{{ day }}::{{ type }} as {{ key }},
        {% for name, raw in columns.items() %}
        source.{{ raw }} as {{ name }},
        {% endfor %}
        file.file_id,
        file.file_name,
        file.last_date as file_last_date
    {% if is_incremental() %}
    from owner
    inner join {{ source('raw', dataset) }} as source
        on
            owner.identifier = source.user_id
            and owner.file_id = source._file_id
            and source.{{ day }} >= owner.from_date
            and source.{{ day }} < owner.to_date + 1
    {% else %}
    from {{ source('raw', dataset) }} as source
    {{ join_identifiers('source.user_id') }}
    {% endif %}
    inner join {{ ref('int_file') }} as file on source._file_id = file.file_id
    where
        file.is_loaded and {{ is_plausible('source.' ~ day) }}
        {% if is_incremental() %}
        -- an array of the files: an index on _file_id is used if a large raw table has one
        and source._file_id = any(array(select distinct file_id from owner))
        {% endif %}

),

ranked as (

    select
        *,
        row_number() over (
            partition by user_id, {{ key }}
            order by {{ later | join(', ') }}
        ) as precedence,
        hash_record_extended(row({{ columns | join(', ') }}), 0) as content
    from owned

),

renamed as (

    select
        user_id,
        {{ key }},
        {% for name in columns %}
        {{ name }},
        {% endfor %}
        file_id,
        precedence,
        count(*) over user_day as raw_rows,
        min(content) over user_day <> max(content) over user_day as has_conflict
    from ranked
    window user_day as (partition by user_id, {{ key }})

)

select
    user_id,
    {{ key }},
    {% for name in columns %}
    {{ name }},
    {% endfor %}
    file_id,
    raw_rows,
    has_conflict
from renamed
where precedence = 1
{% endmacro %}
