{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

with user_span as (

    select
        user_id,
        last_date,
        first_date as begin_date,
        last_date as end_date
    from ({{ user_extents() }}) as user_extent

)

{{ spine('user_span') }}
