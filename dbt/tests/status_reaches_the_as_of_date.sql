{# Everyone who has begun has a status on the as-of date. #}
select
    latest.user_id,
    latest.first_date
from ({{ user_extents() }}) as latest
cross join {{ ref('int_as_of') }} as as_of
left join {{ ref('fct_user_status') }} as status
    on
        latest.user_id = status.user_id
        -- an array of one day: with a join the planner would read the status of every day
        and status.as_of_date = any(array(select today.as_of_date from {{ ref('int_as_of') }} as today))
where latest.first_date <= as_of.as_of_date and status.user_id is null
