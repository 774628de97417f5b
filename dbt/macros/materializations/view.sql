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
