{# The Monday of a date's week; infinity stays infinity. #}
{% macro monday(day) -%}
    date_trunc('week', {{ day }}::timestamp)::date
{%- endmacro %}


{# The first day of a date's month; infinity stays infinity. #}
{% macro month(day) -%}
    date_trunc('month', {{ day }}::timestamp)::date
{%- endmacro %}
