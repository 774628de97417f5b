{{ config(materialized='table', meta={'distribution': 'reference'}) }}

{% set statuses = [
    'withdrawn', 'completed', 'never_started', 'stopped', 'wearing_less', 'new', 'declining', 'increasing', 'stable',
] %}

with as_of as (

    select * from {{ ref('int_as_of') }}

),

entry as (

    select
        user_extent.user_id,
        {{ monday('user_extent.first_date') }} as first_week
    from ({{ user_extents() }}) as user_extent

),

founding as (

    select min(first_week) as first_week from entry

),

week_end as (

    select
        founding.first_week + 7 * week_number as week_start_date,
        least(founding.first_week + 7 * week_number + 6, as_of.as_of_date) as as_of_date
    from as_of
    cross join founding
    cross join lateral generate_series(0, (as_of.as_of_date - founding.first_week) / 7) as week_number

),

status as (

    select
        week_end.week_start_date,
        status.*,
        coalesce(entry.first_week < founding.first_week + {{ var('cohort_entry_days') }}, false) as is_in_cohort
    from week_end
    cross join founding
    inner join {{ ref('fct_user_status') }} as status on week_end.as_of_date = status.as_of_date
    left join entry on status.user_id = entry.user_id
    -- an array of the days: with a join alone the planner would read the status of every day
    where status.as_of_date = any(array(select ended.as_of_date from week_end as ended))

)

select
    week_start_date,
    max(as_of_date) as as_of_date,
    {% for prefix, members in {'': 'true', 'cohort_': 'is_in_cohort'}.items() %}
    count(*) filter (where {{ members }})::int as {{ prefix }}users,
    {% for status in statuses %}
    100.0::double precision * count(*) filter (where {{ members }} and status = '{{ status }}')
        / nullif(count(*) filter (where {{ members }}), 0) as {{ prefix }}pct_{{ status }},
    {% endfor %}
    percentile_cont(0.5) within group (order by vs_recent) filter (where {{ members }})
        as {{ prefix }}vs_recent{{ ',' if not loop.last }}
    {% endfor %}
from status
group by week_start_date
