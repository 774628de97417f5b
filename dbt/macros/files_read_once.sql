{# Pre-hook: delete what a model has read of files that are gone, or that have other rows now. #}
{% macro forget_files(relation) %}
    delete from {{ relation }} as known
    where not exists (
        select
        from {{ ref('stg_file') }} as file
        where file.file_id = known.file_id and file.rows_loaded = known.rows_loaded
    )
{% endmacro %}


{#
    Pre-hook: give the rows of each identifier that now means another participant to that one. They are deleted and inserted, and not
    updated, because on Citus the participant says on which node a row is.
#}
{% macro rename_participants(relation) %}
    {% set others = adapter.get_columns_in_relation(relation) | map(attribute='name') | reject('equalto', 'user_id') | list %}
    with moved as (
        delete from {{ relation }} as known
        using {{ ref('int_identifier') }} as known_as
        where known_as.identifier = known.identifier and known_as.user_id <> known.user_id
        returning known_as.user_id, known.{{ others | join(', known.') }}
    )

    insert into {{ relation }} (user_id, {{ others | join(', ') }})
    select * from moved
{% endmacro %}
