{# Everyone who has begun has a status on the as-of date. #}
select
    latest.user_id,
    latest.first_date
from ({{ user_extents() }}) as latest
cross join {{ ref('int_as_of') }} as as_of
left join {{ ref('fct_user_status') }} as status
    on latest.user_id = status.user_id and as_of.as_of_date = status.as_of_date
where latest.first_date <= as_of.as_of_date and status.user_id is null
