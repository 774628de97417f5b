{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ empty() }}",
    meta={'distribution': 'reference'},
) }}

select
    {% if var('as_of') %}
    date '{{ var("as_of") }}' as as_of_date,
    {% else %}
    (
        select user_day.activity_date
        from {{ ref('fct_user_day') }} as user_day
        where user_day.has_record and not user_day.is_partial_day
        order by user_day.activity_date desc
        limit 1
    ) as as_of_date,
    {% endif %}
    (select min(extent.first_date) from {{ ref('int_user_extent') }} as extent) as study_first_date
