{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{% if is_incremental() %}{{ delete_deliveries_that_may_differ(this) }}{% endif %}",
    post_hook="{{ consume(ref('int_file')) }}",
    meta={'distribution': 'reference'},
) }}

with delivered as (

    -- the dates as the files have them: with the time zones of participants, files of one feed would end on several weekdays
    select
        file_id,
        source_name as dataset,
        last_date as delivery_date
    from {{ ref('int_file') }}
    where is_loaded and {{ is_recent_delivery('last_date') }}

),

to_count as (

    select delivered.*
    from delivered
    {% if is_incremental() %}
    where not exists (
        select
        from {{ this }} as built
        where built.dataset = delivered.dataset and built.delivery_date = delivered.delivery_date
    )
    {% endif %}

),

person as (

    select distinct
        to_count.dataset,
        to_count.delivery_date,
        member.user_id
    from to_count
    inner join {{ ref('int_file_user') }} as member on to_count.file_id = member.file_id and member.is_loaded

)

select
    person.dataset,
    case when grouping(participant.site) = 1 then 'all' else participant.site end as site,
    person.delivery_date,
    coalesce(participant.left_on, 'infinity') as left_on,
    count(*)::int as users
from person
left join {{ ref('dim_participant') }} as participant on person.user_id = participant.user_id
group by grouping sets (
    (person.dataset, person.delivery_date, participant.left_on),
    (person.dataset, participant.site, person.delivery_date, participant.left_on)
)
-- a site that the roster calls all has no rows of its own, nor have those without a site
having grouping(participant.site) = 1 or participant.site <> 'all'
