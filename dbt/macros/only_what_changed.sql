{#
    What dbt repeats for each model in each run, although it is the same as in the run before. Two fifths of the statements of a
    run that builds one new day were of this kind. The pipeline builds everything with --full-refresh if a model has changed; that
    does all of it.
#}


{# Whether the model's table is kept, with its comments. A mart with full_refresh=false is kept in a full refresh too. #}
{% macro keeps_table() %}
    {{ return(is_incremental() and not flags.FULL_REFRESH) }}
{% endmacro %}


{# Comments of tables and columns, but not again for a table that is kept. #}
{% macro postgres__persist_docs(relation, model, for_relation, for_columns) %}
    {% if not keeps_table() %}
        {% do default__persist_docs(relation, model, for_relation, for_columns) %}
    {% endif %}
{% endmacro %}


{# The columns from the catalog itself: the view information_schema.columns takes ten times as long, and each model asks. #}
{% macro postgres__get_columns_in_relation(relation) -%}
    {% call statement('get_columns_in_relation', fetch_result=true) %}
        select
            attname as column_name,
            format_type(atttypid, null) as data_type,
            null::integer as character_maximum_length,
            null::integer as numeric_precision,
            null::integer as numeric_scale
        from pg_attribute
        where attrelid = to_regclass('{{ relation.include(database=false) }}') and attnum > 0 and not attisdropped
        order by attnum
    {% endcall %}
    {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}
