{# What earlier versions made and this one does not; it goes when nothing is made of it any more. #}
{% macro drop_retired(results) %}
    {% set rebuilt = results | selectattr('node.name', 'equalto', 'int_user_day_spine') | selectattr('status', 'equalto', 'success') | list %}
    {% if execute and rebuilt %}
        drop table if exists intermediate.int_user_change;
        delete from {{ model_state() }} where model = 'int_user_change';
    {% endif %}
{% endmacro %}
