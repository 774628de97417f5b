{#
    Citus: the same models with the participants spread over several nodes. The few macros elsewhere that differ ask
    is_distributed(); no model does. docs/scale-out.md explains the set-up.

    meta.distribution of a model says where its rows are: `user_id` on the node of the participant, `reference` on all nodes,
    `coordinator` on the coordinator alone.
    A table is created empty, distributed, and then filled: what CREATE TABLE AS selects would pass through the coordinator.
#}


{# Whether `migrate --distribute` has spread the raw tables. Asked once a run. #}
{% macro is_distributed() %}
    {% if not execute %}{{ return(false) }}{% endif %}
    {% if 'is_distributed' not in graph %}
        {% set found = run_query("select count(*) from pg_extension where extname = 'citus'").columns[0][0] %}
        {% if found %}
            {% set found = run_query(
                "select count(*) from pg_dist_partition where logicalrelid = to_regclass('" ~ raw_days() ~ "')"
            ).columns[0][0] %}
        {% endif %}
        {% do graph.update({'is_distributed': found > 0}) %}
    {% endif %}
    {{ return(graph['is_distributed']) }}
{% endmacro %}


{# The raw table with which all others share their nodes. #}
{% macro raw_days() %}{{ var('raw_schema') }}.daily_activity{% endmacro %}


{#
    A time that a query of model_state says. On one node this is the query itself. On Citus, that table is on the coordinator, and
    the nodes are told the time.
#}
{% macro state_of(query) -%}
    {%- if is_distributed() -%}
    {%- set found = run_query('select ' ~ query ~ '::text').columns[0][0] -%}
    {{ "'" ~ found ~ "'" if found else 'null' }}::timestamptz
    {%- else -%}
    {{ query }}
    {%- endif -%}
{%- endmacro %}


{# Before each model. #}
{% macro session_settings() %}
    {%- set distribution = distribution() %}
    {%- if distribution %}
    -- the nodes get the settings that follow
    set local citus.propagate_set_commands = 'local';
    set local citus.enable_local_execution = off;
    {%- endif %}
    {%- if distribution == 'reference' %}
    -- Citus changes no table on all nodes that a transaction has read over several connections to one of them
    set local citus.max_adaptive_executor_pool_size = 1;
    {%- endif %}
    set local work_mem = '{{ var('work_mem') }}'; set local jit = off; set local random_page_cost = 1.1
{% endmacro %}


{# Where the rows of this model are; none for a model of the coordinator, and for what a test finds. #}
{% macro distribution() %}
    {% set distribution = config.get('meta', {}).distribution if is_distributed() else none %}
    {{ return(distribution if distribution != 'coordinator' else none) }}
{% endmacro %}


{#
    Create an empty table with the columns of a query, on the nodes that `distribution` says. Each statement is sent alone: Citus
    passes on to the nodes the whole text that a change of a table came with.
#}
{% macro create_distributed(relation, sql, distribution, kind='') %}
    {% do run_query('create ' ~ kind ~ ' table ' ~ relation ~ ' as (' ~ sql ~ ') with no data') %}
    {% if distribution == 'reference' %}
        {% do run_query("select create_reference_table('" ~ relation ~ "')") %}
    {% else %}
        {% set with_the_days = raw_days() if distribution in ('user_id', 'identifier') else 'none' %}
        {% do run_query(
            "select create_distributed_table('" ~ relation ~ "', '" ~ distribution ~ "', colocate_with => '" ~ with_the_days ~ "')"
        ) %}
    {% endif %}
{% endmacro %}


{#
    Working tables: what a model needs while it is built. They are kept empty from run to run, for creating a table on all nodes takes
    longer than filling it. A full build creates them anew, with the columns of the model as it is now.
#}
{% macro working_table(name) -%}
    {{ intermediate() }}.{{ model.alias }}__{{ name }}__working
{%- endmacro %}


{% macro fill_working_table(table, sql, distribution) %}
    {% set is_there = run_query("select count(*) from pg_class where oid = to_regclass('" ~ table ~ "')").columns[0][0] %}
    {% if is_there and flags.FULL_REFRESH %}
        {% do run_query('drop table ' ~ table) %}
    {% endif %}
    {% if flags.FULL_REFRESH or not is_there %}
        {% do create_distributed(table, sql, distribution, kind='unlogged') %}
    {% endif %}
    {% do run_query('insert into ' ~ table ~ ' (' ~ sql ~ ')') %}
    {% if run_query('select 1 from ' ~ table ~ ' limit 1') %}
        {% do run_query('analyze ' ~ table) %}
        {% do graph.setdefault('filled', {}).setdefault(model.unique_id, []).append(table | string) %}
    {% endif %}
{% endmacro %}


{# Post-hook of each model. #}
{% macro empty_working_tables() %}
    {% set filled = graph.get('filled', {}).pop(model.unique_id, []) if execute else [] %}
    {% if filled %}truncate {{ filled | join(', ') }}{% endif %}
{% endmacro %}


{#
    The rows of a query, to be read by a query whose rows are distributed by another column. On one node this is the query itself.
    On Citus, a working table is filled before the model: the nodes send each other the rows. `column` says by which column.
#}
{% macro spread(name, column, sql) %}
    {% if not is_distributed() %}{{ return('(' ~ sql ~ ')') }}{% endif %}
    {% set table = working_table(name) %}
    {% do graph.setdefault('first', {}).setdefault(model.unique_id, []).append((table, column, sql)) %}
    {{ return(table) }}
{% endmacro %}


{# Do what spread() has left to be done before the model is built. #}
{% macro fill_what_is_spread() %}
    {% for table, column, sql in graph.get('first', {}).pop(model.unique_id, []) %}
        {% do fill_working_table(table, sql, column) %}
    {% endfor %}
{% endmacro %}


{#
    Behind `as` of a CTE that is read twice. On one node its rows are kept. On Citus they would be collected on the coordinator, so
    both readers work them out on the nodes.
#}
{% macro read_twice() %}{{ 'not materialized' if is_distributed() }}{% endmacro %}


{# A temporary table cannot be distributed: what an incremental model selects goes to a working table. #}
{% macro postgres__make_temp_relation(base_relation, suffix) %}
    {% if distribution() %}
        {{ return(api.Relation.create(
            database=base_relation.database, schema=intermediate(), identifier=base_relation.identifier ~ '__new__working'
        )) }}
    {% endif %}
    {% set temporary = postgres__make_relation_with_suffix(base_relation, suffix, dstring=True) %}
    {{ return(temporary.incorporate(path={'schema': none, 'database': none})) }}
{% endmacro %}
