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
{% set later = ['file.last_date desc', 'file.file_name collate "C" desc'] %}
{% for raw in columns.values() %}{% do later.append('source.' ~ raw ~ ' desc nulls last') %}{% endfor %}
with source as (

    select
        file.file_id,
        source.user_id,
        source.{{ day }}::{{ type }} as {{ key }},
        {% for name, raw in columns.items() %}
        source.{{ raw }} as {{ name }},
        {% endfor %}
        row_number() over (
            partition by source.user_id, source.{{ day }}::{{ type }}
            order by {{ later | join(', ') }}
        ) as precedence,
        hash_record_extended(row({% for raw in columns.values() %}source.{{ raw }}{{ ', ' if not loop.last }}{% endfor %}), 0)
            as content
    {% if is_incremental() %}
    from {{ changed }}
    inner join {{ source('raw', dataset) }} as source
        on
            changed_user.user_id = source.user_id
            and source.{{ day }} >= changed_user.from_date
            and source.{{ day }} < changed_user.to_date + 1
    {% else %}
    from {{ source('raw', dataset) }} as source
    {% endif %}
    inner join {{ ref('int_file') }} as file on source._file_id = file.file_id
    where
        file.is_loaded and {{ is_plausible('source.' ~ day) }}
        {% if is_incremental() %}
        -- read only the files that hold changed days
        and source._file_id = any(array(
            select distinct file_user.file_id
            from {{ changed }}
            inner join {{ ref('int_file_user') }} as file_user
                on
                    changed_user.user_id = file_user.user_id
                    and changed_user.from_date <= file_user.last_date
                    and changed_user.to_date >= file_user.first_date
            where file_user.source_name = '{{ dataset }}' and file_user.is_loaded
        ))
        {% endif %}

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
    from source
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


{#
    One row a user and moment (or day) from the raw rows of all files, for datasets that no mart reads: views that cost nothing
    until somebody reads them.

    The greater file name wins, and within a file the row with the greater values, in the order of `columns`: staged name to
    raw name. The order of loading makes no difference.
#}
{% macro newest(dataset, moment, columns, key=none) %}
{% set key = key or moment %}
{% set later = ['file_name collate "C" desc'] %}
{% for name in columns %}{% do later.append(name ~ ' desc nulls last') %}{% endfor %}
with source as (

    select
        drop_row.*,
        origin.file_name
    from {{ source('raw', dataset) }} as drop_row
    inner join {{ ref('stg_file') }} as origin on drop_row._file_id = origin.file_id
    where {{ is_plausible('drop_row.' ~ moment) }}

),

renamed as (

    select
        user_id,
        {{ moment }}{{ '::date as ' ~ key if key != moment }},
        {% for name, raw in columns.items() %}
        {{ raw if raw == name else raw ~ ' as ' ~ name }},
        {% endfor %}
        _file_id as file_id,
        file_name
    from source

),

ranked as (

    select
        *,
        row_number() over (partition by user_id, {{ key }} order by {{ later | join(', ') }}) as precedence
    from renamed

)

select
    user_id,
    {{ key }},
    {% for name in columns %}
    {{ name }},
    {% endfor %}
    file_id
from ranked
where precedence = 1
{% endmacro %}
