{#
    dbt's own version creates the table with its constraints, and each insert updates the index. Filling the table first and
    adding the constraints afterwards, in the same transaction, checks the same and takes half the time.
#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {% do fill_what_is_spread() %}
    {% if config.get('contract').enforced and not keeps_table() %}{% do get_assert_columns_equivalent(sql) %}{% endif %}
    {% set distribution = distribution() %}
    {% if distribution and temporary %}
    {% do fill_working_table(relation, sql, distribution) %}
    select 1
    {% elif distribution %}
    {% do create_distributed(relation, sql, distribution) %}
    insert into {{ relation }} ({{ sql }})
    {% else %}
    create {{ 'temporary' if temporary }} table {{ relation }} as (
        {{ sql }}
    )
    {% endif %}
{%- endmacro %}


{# dbt calls this after it has filled a table. #}
{% macro postgres__create_indexes(relation) -%}
    {% set changes = [] %}
    {% for column in model.columns.values() %}
        {% for constraint in column.constraints %}
            {% if constraint.type != 'not_null' %}
                {% do exceptions.raise_compiler_error(column.name ~ ': declare every constraint other than not_null on the model') %}
            {% endif %}
            {% do changes.append('alter column ' ~ column.name ~ ' set not null') %}
        {% endfor %}
    {% endfor %}
    {% for constraint in adapter.render_raw_model_constraints(raw_constraints=model.constraints) %}
        {% do changes.append('add ' ~ constraint) %}
    {% endfor %}
    {# Citus takes a constraint only if it stands alone #}
    {% set changes = changes if is_distributed() else [changes | join(', ')] | select | list %}
    {% for change in changes %}
        {% do run_query('alter table ' ~ relation ~ ' ' ~ change) %}
    {% endfor %}
    {{ default__create_indexes(relation) }}
    {% do run_query('analyze ' ~ relation) %}
{%- endmacro %}
