{# Everyone who has begun has a status on the as-of date. #}
select
    latest.user_id,
    latest.first_date
from (
    select distinct on (user_id)
        user_id,
        first_date
    from {{ ref('int_user_change') }}
    order by user_id asc, changed_at desc
) as latest
cross join {{ ref('int_as_of') }} as as_of
left join {{ ref('fct_user_status') }} as status
    on latest.user_id = status.user_id and as_of.as_of_date = status.as_of_date
where latest.first_date <= as_of.as_of_date and status.user_id is null
