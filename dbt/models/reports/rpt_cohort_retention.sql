{{ config(materialized='table', meta={'distribution': 'reference'}) }}

with last_week as (

    -- the last week that is over
    select {{ monday('(as_of_date + 1)') }} - 7 as week_start_date
    from {{ ref('int_as_of') }}

),

entry as (

    select
        user_extent.user_id,
        {{ monday('user_extent.first_date') }} as first_week
    from ({{ user_extents() }}) as user_extent

),

-- users who began at least tenure_week weeks ago, also after their last record
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

-- grouped by week first: that reads all weeks and leaves few rows
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
