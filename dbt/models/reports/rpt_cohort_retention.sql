{{ config(materialized='table', meta={'distribution': 'reference'}) }}

with last_week as (

    -- the last week that is over
    select date_trunc('week', as_of_date + 1)::date - 7 as week_start_date
    from {{ ref('int_as_of') }}

),

engagement as (

    select
        user_id,
        week_start_date,
        valid_days,
        min(week_start_date) over (partition by user_id) as first_week
    from {{ ref('fct_user_week_engagement') }}

),

entry as (

    select distinct
        user_id,
        first_week
    from engagement

),

tenure as (

    select
        entry.user_id,
        entry.first_week,
        tenure_week
    from entry
    cross join last_week
    cross join lateral generate_series(0, (last_week.week_start_date - entry.first_week) / 7) as tenure_week
    where last_week.week_start_date >= entry.first_week

)

select
    tenure.tenure_week,
    count(*)::int as users,
    count(*) filter (where engagement.valid_days > 0)::int as retained_users,
    100.0::double precision * count(*) filter (where engagement.valid_days > 0) / count(*) as pct_retained
from tenure
left join engagement
    on tenure.user_id = engagement.user_id
    and engagement.week_start_date = tenure.first_week + 7 * tenure.tenure_week
group by tenure.tenure_week
