{# array_sort came with PostgreSQL 18; the planner inlines either body. #}
{% macro create_array_sorted() %}
    {% if execute %}
    {% set version = run_query("select current_setting('server_version_num')::int").columns[0][0] %}
    create or replace function intermediate.array_sorted(numbers bigint []) returns bigint []
    language sql immutable parallel safe
    return {{ 'array_sort(numbers)' if version >= 180000 else 'array(select n from unnest(numbers) as n order by n)' }};
    {% endif %}
{% endmacro %}


{# Twice the median of the last n of a sorted array, so that it stays a whole number. #}
{% macro twice_median(sorted, n) -%}
    (
        {{ sorted }}[cardinality({{ sorted }}) - {{ n }} + ({{ n }} + 1) / 2]
        + {{ sorted }}[cardinality({{ sorted }}) - {{ n }} + ({{ n }} + 2) / 2]
    )
{%- endmacro %}
