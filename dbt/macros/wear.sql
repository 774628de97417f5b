{# Whether a day was worn for long enough, by either signal; false where neither is known. `user_day` qualifies the columns. #}
{% macro is_surely_worn(user_day=none) -%}
    {%- set of = user_day ~ '.' if user_day else '' -%}
    coalesce({{ of }}wear_minutes >= {{ var('min_wear_minutes') }} or {{ of }}wear_hours >= {{ var('min_wear_hours') }}, false)
{%- endmacro %}
