{#
    An incremental run builds the weeks that end on or after the first day that changed for anybody, and the last week until
    it is over. If a user's first day moves or all records of a user are gone, all weeks are built.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='week_start_date',
    pre_hook=[
        "{{ fill_changed_user() }}",
        "{% if is_incremental() %}{{ delete_weeks_of_nobody(this) }}{% endif %}",
    ],
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={'distribution': 'reference'},
) }}

{% set statuses = ['insufficient_baseline', 'lapsed', 'disengaging', 'declining', 'increasing', 'stable'] %}

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

week_to_build as (

    select week_end.*
    from week_end
    {% if is_incremental() %}
    left join {{ this }} as built on week_end.week_start_date = built.week_start_date
    where
        built.as_of_date is distinct from week_end.as_of_date
        or week_end.as_of_date >= (
            select min(changed_user.from_date)
            from {{ changed_user() }}
        )
    {% endif %}

),

status as (

    select
        week_to_build.week_start_date,
        status.*,
        entry.first_week < founding.first_week + {{ var('cohort_entry_days') }} as is_in_cohort
    from week_to_build
    cross join founding
    inner join {{ ref('fct_user_status') }} as status on week_to_build.as_of_date = status.as_of_date
    inner join entry on status.user_id = entry.user_id
    -- an array of the days: with a join alone the planner would read the status of every day
    where status.as_of_date = any(array(select to_build.as_of_date from week_to_build as to_build))

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
    percentile_cont(0.5) within group (order by median_ratio) filter (where {{ members }})
        as {{ prefix }}median_ratio{{ ',' if not loop.last }}
    {% endfor %}
from status
group by week_start_date
