{# The metrics that have a baseline. Medians are taken of whole numbers: value = column * scale. #}
{% macro metrics() %}
    {{ return([
        {'name': 'steps', 'scale': 1},
        {'name': 'mvpa_minutes', 'scale': 1},
        {'name': 'sedentary_minutes', 'scale': 1},
        {'name': 'calories', 'scale': 1},
        {'name': 'minutes_asleep', 'scale': 1},
        {'name': 'sleep_efficiency', 'scale': 10000},
    ]) }}
{% endmacro %}
