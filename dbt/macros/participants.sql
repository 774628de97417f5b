{#
    Whose the rows of raw are. The user_id of a raw table is an identifier: what the file calls the person. int_identifier says
    which participant that is; an identifier that it does not have is the participant's own id.

    select {{ participant_of('source.user_id') }} as user_id
    from {{ source('raw', 'weight') }} as source
    {{ join_identifiers('source.user_id') }}

    An incremental model takes the participant and the identifiers of the changed users from int_file_user; see resolve.
#}
{% macro participant_of(identifier) -%}
    coalesce(known_as.user_id, {{ identifier }})
{%- endmacro %}


{% macro join_identifiers(identifier) -%}
    left join {{ ref('int_identifier') }} as known_as on {{ identifier }} = known_as.identifier
{%- endmacro %}
