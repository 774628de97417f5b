{{ config(materialized='table', meta={'distribution': 'reference'}) }}

{% if var('as_of') %}
select date '{{ var("as_of") }}' as as_of_date
{% else %}
select max(activity_date) as as_of_date
from (
    select activity_date
    from {{ ref('fct_user_day') }}
    where has_record and not is_partial_day
    order by activity_date desc
    limit 1
) as latest_complete_day
{% endif %}
