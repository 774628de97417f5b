{#
    What dbt repeats for each model in each run, although it is the same as in the run before. Half of the statements of a run
    that builds one new day were of this kind. The pipeline builds everything with --full-refresh if a model has changed; that
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


{# A view whose text and descriptions are those of the existing one is left as it is; else dbt's own materialization makes it. #}
{% materialization view, adapter='postgres' %}
    {% set definition = local_md5(tojson([sql, model.description, model.columns])) %}
    {% set existing = load_cached_relation(this) %}
    {% if existing is not none and existing.is_view and not should_full_refresh() %}
        {% call statement('main', fetch_result=true, auto_begin=false) %}
            select count(*) from {{ model_state() }} where model = '{{ this.identifier }}' and settings = '{{ definition }}'
        {% endcall %}
        {% if load_result('main').table.rows[0][0] %}
            {{ return({'relations': [existing]}) }}
        {% endif %}
    {% endif %}
    {% set made = dbt.materialization_view_default() %}
    {% call statement('remember', auto_begin=true) %}
        insert into {{ model_state() }} (model, settings, consumed_at)
        values ('{{ this.identifier }}', '{{ definition }}', '-infinity')
        on conflict (model) do update set settings = excluded.settings
    {% endcall %}
    {% do adapter.commit() %}
    {{ return(made) }}
{% endmaterialization %}


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
