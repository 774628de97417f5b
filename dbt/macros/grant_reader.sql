{#
    A full refresh creates new tables, so each run grants the reader access again. What a comparison builds is for nobody else to read.
#}
{% macro grant_reader() %}
    {% set role = env_var('PIPELINE_READER_ROLE', '') %}
    {% if execute and role and not var('schema_prefix') %}
        {% set reader = adapter.quote(role) %}
        grant usage on schema {{ in_schema('marts') }} to {{ reader }};
        grant select on all tables in schema {{ in_schema('marts') }} to {{ reader }};
    {% endif %}
{% endmacro %}
