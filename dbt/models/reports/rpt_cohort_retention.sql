{{ config(materialized='table', meta={'distribution': 'reference'}) }}

with last_week as (

    -- the last week that is over
    select date_trunc('week', (as_of_date + 1)::timestamp)::date - 7 as week_start_date
    from {{ ref('int_as_of') }}

),

entry as (

    select
        user_extent.user_id,
        date_trunc('week', user_extent.first_date::timestamp)::date as first_week
    from ({{ user_extents() }}) as user_extent

),

-- whose tenure has come to a week, also after their last record
tenure as (

    select
        tenure_week,
        count(*) as users
    from entry
    cross join last_week
    cross join lateral generate_series(0, (last_week.week_start_date - entry.first_week) / 7) as tenure_week
    where last_week.week_start_date >= entry.first_week
    group by tenure_week

),

-- by week before by tenure: all weeks are read, and few are left to look at
active as (

    select
        entry.first_week,
        engagement.week_start_date,
        count(*) as retained_users
    from {{ ref('fct_user_week_engagement') }} as engagement
    inner join entry on engagement.user_id = entry.user_id
    where engagement.valid_days > 0
    group by entry.first_week, engagement.week_start_date

),

retained as (

    select
        (active.week_start_date - active.first_week) / 7 as tenure_week,
        sum(active.retained_users) as retained_users
    from active
    inner join last_week on active.week_start_date <= last_week.week_start_date
    group by (active.week_start_date - active.first_week) / 7

)

select
    tenure.tenure_week,
    tenure.users::int as users,
    coalesce(retained.retained_users, 0)::int as retained_users,
    100.0::double precision * coalesce(retained.retained_users, 0) / tenure.users as pct_retained
from tenure
left join retained on tenure.tenure_week = retained.tenure_week
