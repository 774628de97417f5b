{# Whether a date is that of a delivery which rpt_volume shows, or compares with one that it shows. #}
{% macro is_recent_delivery(day) -%}
    {{ day }} > (select max(latest.last_date) from {{ ref('int_file') }} as latest where latest.is_loaded)
    - {{ var('volume_days') + 7 * var('volume_weeks') }}
{%- endmacro %}


{#
    Pre-hook: delete the deliveries of which a file came or went, and those that nobody compares any more; all of them if the
    roster changed, for it says who is who, at which site, and who left.
#}
{% macro delete_deliveries_that_may_differ(relation) %}
    delete from {{ relation }} as built
    where
        not coalesce({{ is_recent_delivery('built.delivery_date') }}, false)
        or exists (
            select
            from {{ ref('int_file') }} as changed
            where
                changed.changed_at > {{ consumed_at() }}
                and (
                    changed.source_name in ('participants', 'identifiers')
                    or changed.source_name = built.dataset and changed.last_date = built.delivery_date
                )
        )
{% endmacro %}
