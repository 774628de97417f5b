{#
    The schema of a node. `transform --compare` sets a prefix, and so builds beside the schemas in use. What is no node, such as a
    function, is named with in_schema(): no model, macro, test or hook may name a schema of this project in any other way.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ in_schema(custom_schema_name or target.schema) }}
{%- endmacro %}


{% macro in_schema(name) -%}
    {{ var('schema_prefix') }}{{ name }}
{%- endmacro %}


{# The schema of the functions, and of what dbt remembers. #}
{% macro intermediate() -%}
    {{ in_schema('intermediate') }}
{%- endmacro %}
