{#
    Returns a row for each whole per cent that the part is of the total; warn_if and error_if count them. A handful of odd rows
    in a small file does not count.
#}
{% test share_at_most(model, part, total, handful=10) %}
select *
from {{ model }}
cross join lateral generate_series(1, floor(100.0 * {{ part }} / nullif({{ total }}, 0))::int) as per_cent
where {{ part }} > {{ handful }}
{% endtest %}
