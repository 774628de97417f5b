{# A full refresh creates new tables, so each run grants the reader access again. #}
{% macro grant_reader() %}
    {% set role = env_var('PIPELINE_READER_ROLE', '') %}
    {% if execute and role %}
        {% set reader = adapter.quote(role) %}
        grant usage on schema marts to {{ reader }};
        grant select on all tables in schema marts to {{ reader }};
    {% endif %}
{% endmacro %}
