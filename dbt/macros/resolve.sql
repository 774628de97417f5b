{# A device can measure neither before it was sold nor after its file was loaded; a day's slack is for time zones. #}
{% macro is_plausible(day) -%}
    ({{ day }} >= date '{{ var("earliest_date") }}' and {{ day }} < _loaded_at::date + 2)
{%- endmacro %}


{#
    One row a user and day (or hour: `key` is its name, `type` its type) out of the raw rows of all files that have one.

    The file that reaches the latest date wins: devices write an export's last day before it is over. Between files that
    reach equally far the greater name wins, and within a file the row with the greater values, in the order of `columns`.
    None of it depends on the order of loading. `changed` selects the users and dates to build when not all are.
#}
{% macro resolve(source_name, day, columns, changed, key, type='date') %}
{% set later = ['file.last_date desc', 'file.file_name collate "C" desc'] %}
{% for raw in columns.values() %}{% do later.append('source.' ~ raw ~ ' desc nulls last') %}{% endfor %}
with {% if is_incremental() %}changed_user as materialized (

    {{ changed }}

),

{% endif %}source as (

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
    -- Only files that hold changed days are read. offset 0: else the dates of all rows of raw are looked at first, which
    -- takes longer than finding the rows of a file.
    from (
        select *
        from {{ source('raw', source_name) }}
        where _file_id = any(array(
            select distinct extent.file_id
            from changed_user
            -- limit all: as in changed_days
            cross join lateral (
                select file_user.file_id
                from {{ ref('int_file_user') }} as file_user
                where
                    file_user.user_id = changed_user.user_id
                    and file_user.source_name = '{{ source_name }}'
                    and file_user.last_date >= changed_user.from_date
                    and file_user.first_date <= changed_user.to_date
                    and file_user.is_loaded
                limit all
            ) as extent
        ))
        limit all offset 0
    ) as source
    inner join changed_user
        on source.user_id = changed_user.user_id
        and source.{{ day }} >= changed_user.from_date
        and source.{{ day }} < changed_user.to_date + 1
    {% else %}
    from {{ source('raw', source_name) }} as source
    {% endif %}
    inner join {{ ref('int_file') }} as file on source._file_id = file.file_id
    where file.is_loaded and {{ is_plausible('source.' ~ day) }}

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
