{#
    The greatest of these numbers that the steps reach: 0, those of the var count_from_steps, min_steps, and max_steps + 1; 0 without
    steps. So int_user_month_days counts days by all that a definition asks of their steps.
#}
{% macro steps_from(steps) %}
    {% set numbers = var('count_from_steps') + [var('min_steps'), var('max_steps') + 1] %}
    case
        {% for number in numbers | unique | sort(reverse=true) %}
        when {{ steps }} >= {{ number }} then {{ number }}
        {% endfor %}
        else 0
    end
{%- endmacro %}


{# Whether the steps are neither too few nor too many, by steps_from(). #}
{% macro is_plausible_number() -%}
    steps_from between {{ var('min_steps') }} and {{ var('max_steps') }}
{%- endmacro %}
