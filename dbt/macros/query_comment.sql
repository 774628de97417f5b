{% macro query_comment(node) -%}
    {{ tojson({
        'app': 'dbt',
        'run_id': env_var('PIPELINE_RUN_ID', invocation_id),
        'node': node.unique_id if node else none,
    }) }}
{%- endmacro %}
