{#
    Drops the relations of models that were renamed or deleted, once a run has built every model.

    dbt leaves them behind, and the migrations of sql/ cannot drop them: they run as the owner of raw and ops, and these
    schemas belong to dbt's role. Only names with dbt's prefixes go, so a table that somebody keeps here by hand stays. In the marts,
    where others keep views of their own under any name, only those go that this project once had.
    `cascade` as dbt does it itself where it replaces a relation.
#}
{% macro drop_stale_relations(results) %}
    {% set models = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | list if execute else [] %}
    {% set built = results | selectattr('node.resource_type', 'equalto', 'model') | selectattr('status', 'equalto', 'success') | list %}
    {% if models and built | length == models | length %}
        {% set names = models | map(attribute='alias') | join("', '") %}
        {% set stale %}
            select
                case relkind when 'v' then 'view' else 'table' end as kind,
                relnamespace::regnamespace as schema_name,
                relname as name
            from pg_class
            where
                relkind in ('r', 'v')
                and (
                    relnamespace = to_regnamespace('{{ in_schema('staging') }}') and starts_with(relname, 'stg_')
                    or relnamespace = to_regnamespace('{{ in_schema('intermediate') }}') and relname ~ '^int_|__working$'
                    or relnamespace = to_regnamespace('{{ in_schema('marts') }}') and relname in ('dim_user_anchor_baseline', 'rpt_cohort_retention')
                )
                and regexp_replace(relname, '__.*__working$', '') not in ('{{ names }}')
        {% endset %}
        {% for relation in run_query(stale) %}
            drop {{ relation['kind'] }} if exists {{ relation['schema_name'] }}.{{ adapter.quote(relation['name']) }} cascade;
        {% endfor %}
        delete from {{ model_state() }} where model not in ('{{ names }}', '{{ tested() }}');
    {% endif %}
{% endmacro %}
