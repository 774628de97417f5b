{# Pre-hook: delete what a model has read of files that are gone, or that have other rows now. #}
{% macro forget_files(relation) %}
    delete from {{ relation }} as known
    where not exists (
        select
        from {{ ref('stg_file') }} as file
        where file.file_id = known.file_id and file.rows_loaded = known.rows_loaded
    )
{% endmacro %}


{# Pre-hook: set the participant of each identifier that now means another one. #}
{% macro rename_participants(relation) %}
    update {{ relation }} as known
    set user_id = known_as.user_id
    from {{ ref('int_identifier') }} as known_as
    where known_as.identifier = known.identifier and known_as.user_id <> known.user_id
{% endmacro %}
