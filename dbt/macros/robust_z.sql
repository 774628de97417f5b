{# Iglewicz and Hoaglin (1993): 0.6745 makes the MAD comparable to a standard deviation. Null if the MAD is 0. #}
{% macro robust_z(amount, median, mad) -%}
    0.6745::double precision * ({{ amount }} - {{ median }}::double precision) / nullif({{ mad }}::double precision, 0)
{%- endmacro %}
