{# A device can measure neither before it was sold nor after its file was loaded; a day's slack is for time zones. #}
{% macro is_plausible(day) -%}
    ({{ day }} >= date '{{ var("earliest_date") }}' and {{ day }} < _loaded_at::date + 2)
{%- endmacro %}
