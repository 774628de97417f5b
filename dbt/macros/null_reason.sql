{#
    Why a day cannot be flagged as unusually low: fct_user_day_deviation.null_reason. Null where it can be. `spread` is any figure that
    is null where the MAD is 0.
#}
{% macro null_reason(is_low, invalid_reason, amount, median, spread) %}
    case
        when {{ is_low }} is not null then null
        when {{ invalid_reason }} is not null then {{ invalid_reason }}
        when {{ amount }} is null then 'metric_missing'
        when {{ median }} is null then 'insufficient_baseline'
        when {{ spread }} is null then 'mad_zero'
        else 'cannot_be_low'
    end
{%- endmacro %}
