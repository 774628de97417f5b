{#
    How int_user_day_baseline holds the metrics of vars.metrics: as whole numbers, amount * scale. A metric with `log` is held as its
    natural logarithm: steps are skewed, and half as many is as unusual as twice as many.
#}


{# An amount as a whole number. #}
{% macro on_scale(metric, amount) -%}
    {%- if metric.log -%}
        {%- if var('min_steps') < 1 %}{% do exceptions.raise_compiler_error('min_steps must be at least 1: 0 has no logarithm') %}{% endif -%}
        round(ln(({{ amount }})::double precision) * {{ metric.scale }})::bigint
    {%- else -%}
        ({{ amount }}{{ ' * ' ~ metric.scale if metric.scale != 1 }})::bigint
    {%- endif -%}
{%- endmacro %}


{# The median of whole numbers, in the metric's own unit. #}
{% macro off_scale(metric, median) -%}
    {%- if metric.log -%}
        exp({{ spread_off_scale(metric, median) }})
    {%- else -%}
        {{ spread_off_scale(metric, median) }}
    {%- endif -%}
{%- endmacro %}


{# A difference of whole numbers, in the metric's own unit; for a metric with `log`, a difference of logarithms. #}
{% macro spread_off_scale(metric, difference) -%}
    {{ difference }}::double precision / {{ metric.scale }}
{%- endmacro %}


{# The type of a stored median: real is exact for the whole numbers of other metrics, and half as long. #}
{% macro median_type(metric) -%}
    {{ 'double precision' if metric.log else 'real' }}
{%- endmacro %}


{# The least that a valid day can have, as a whole number: min_steps for steps, else 0. #}
{% macro floor_on_scale(metric) -%}
    {{ on_scale(metric, var('min_steps')) if metric.name == 'steps' else 0 }}
{%- endmacro %}
