{# The pipeline's run_id, or dbt's invocation_id if dbt is run by hand. #}
{% macro run_label() -%}
    {{ env_var('PIPELINE_RUN_ID', invocation_id) }}
{%- endmacro %}


{% macro query_comment(node) -%}
    {{ tojson({'app': 'dbt', 'run_id': run_label(), 'node': node.unique_id if node else none}) }}
{%- endmacro %}
