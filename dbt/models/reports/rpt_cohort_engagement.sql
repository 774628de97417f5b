{#
    An incremental run deletes the weeks that may differ and builds those that are missing. All may differ if the roster changed, for
    it says who began when and who left.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook=[
        "{{ fill_changed_user() }}",
        "{% if is_incremental() %}{{ delete_weeks_that_may_differ(this) }}{% endif %}",
    ],
    post_hook="{{ consume(ref('int_user_extent'), roster_changes()) }}",
    meta={'distribution': 'coordinator'},
) }}
-- depends_on: {{ ref('int_file') }}, {{ ref('int_user_extent') }}

{% set entry %}
    select
        participant.user_id,
        {{ monday('coalesce(least(participant.enrolled_on, extent.first_date), as_of.study_first_date)') }} as first_week
    from {{ ref('dim_participant') }} as participant
    cross join {{ ref('int_as_of') }} as as_of
    left join {{ ref('int_user_extent') }} as extent on participant.user_id = extent.user_id
    where participant.is_on_roster or extent.first_date is not null
{% endset %}
{% set entered = spread('entry', 'user_id', entry) %}
{# By week: on Citus, each node counts the weeks that it has. #}
{% set person %}
    with founding as (

        select min(entry.first_week) as first_week from {{ entered }} as entry

    ),

    week_end as (

        select
            founding.first_week,
            founding.first_week + 7 * week_number as week_start_date,
            least(founding.first_week + 7 * week_number + 6, as_of.as_of_date) as as_of_date
        from {{ ref('int_as_of') }} as as_of
        cross join founding
        cross join lateral generate_series(0, (as_of.as_of_date - founding.first_week) / 7) as week_number

    ),

    week_to_build as (

        select week_end.*
        from week_end
        {% if is_incremental() %}
        where week_end.week_start_date not in (select built.week_start_date from {{ this }} as built)
        {% endif %}

    )

    select
        participant_group.arm,
        participant_group.site,
        week_to_build.week_start_date,
        status.as_of_date,
        status.status,
        status.vs_start,
        entry.first_week < week_to_build.first_week + {{ var('cohort_entry_days') }} as is_founder
    from week_to_build
    inner join {{ ref('fct_user_status') }} as status on week_to_build.as_of_date = status.as_of_date
    inner join {{ entered }} as entry on status.user_id = entry.user_id
    inner join ({{ participant_groups() }}) as participant_group on status.user_id = participant_group.user_id
    -- an array of the days: with a join alone the planner would read the status of every day
    where status.as_of_date = any(array(select to_build.as_of_date from week_to_build as to_build))
{% endset %}

with person as {{ read_twice() }} (

    select * from {{ spread('person', 'week_start_date', person) }} as person

),

-- each status, and all of them
counted as (
    {% for status in ['status', "'all'"] %}

    select
        week_start_date,
        as_of_date,
        arm,
        site,
        {{ status }} as status,
        count(*) as users,
        percentile_cont(0.5) within group (order by vs_start) as median_vs_start,
        count(*) filter (where is_founder) as founders,
        percentile_cont(0.5) within group (order by vs_start) filter (where is_founder) as founders_median_vs_start
    from person
    group by week_start_date, as_of_date, arm, site{{ ', status' if status == 'status' }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

by_cohort as (

    select
        counted.arm,
        counted.site,
        counted.week_start_date,
        cohort.name as cohort,
        counted.status,
        counted.as_of_date,
        cohort.users::int as users,
        cohort.median_vs_start
    from counted
    cross join lateral (
        values
        ('everyone', counted.users, counted.median_vs_start),
        ('founders', counted.founders, counted.founders_median_vs_start)
    ) as cohort (name, users, median_vs_start)
    where cohort.users > 0

),

compared as (

    select
        *,
        max(users) filter (where status = 'all') over (partition by arm, site, week_start_date, cohort) as everybody
    from by_cohort

)

select
    arm,
    site,
    week_start_date,
    cohort,
    status,
    as_of_date,
    users,
    case when everybody >= {{ var('min_share_users') }} then 100.0::double precision * users / everybody end as pct,
    median_vs_start
from compared
