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
        week_to_build.week_start_date,
        status.user_id,
        status.as_of_date,
        status.status,
        status.vs_start,
        entry.first_week < week_to_build.first_week + {{ var('cohort_entry_days') }} as is_founder
    from week_to_build
    inner join {{ ref('fct_user_status') }} as status on week_to_build.as_of_date = status.as_of_date
    inner join {{ entered }} as entry on status.user_id = entry.user_id
    -- an array of the days: with a join alone the planner would read the status of every day
    where status.as_of_date = any(array(select to_build.as_of_date from week_to_build as to_build))
{% endset %}

with person as (

    select * from {{ spread('person', 'user_id', person) }} as person

),

-- the groups by number: texts take longer to sort
grouped as (

    select
        *,
        dense_rank() over (order by arm, site) as group_number
    from ({{ participant_groups() }}) as participant_group

),

named as (

    select distinct
        arm,
        site,
        group_number
    from grouped

),

-- each status, and all of them
counted as (

    select
        grouped.group_number,
        person.week_start_date,
        person.as_of_date,
        coalesce(person.status, 'all') as status,
        count(*) as users,
        percentile_cont(0.5) within group (order by person.vs_start) as median_vs_start,
        count(*) filter (where person.is_founder) as founders,
        percentile_cont(0.5) within group (order by person.vs_start) filter (where person.is_founder) as founders_median_vs_start
    from person
    inner join grouped on person.user_id = grouped.user_id
    group by grouping sets (
        (grouped.group_number, person.week_start_date, person.as_of_date, person.status),
        (grouped.group_number, person.week_start_date, person.as_of_date)
    )

),

by_cohort as (

    select
        named.arm,
        named.site,
        counted.week_start_date,
        cohort.name as cohort,
        counted.status,
        counted.as_of_date,
        cohort.users,
        cohort.median_vs_start
    from counted
    inner join named on counted.group_number = named.group_number
    cross join lateral (
        values
        ('everyone', counted.users, counted.median_vs_start),
        ('founders', counted.founders, counted.founders_median_vs_start)
    ) as cohort (name, users, median_vs_start)
    where cohort.users > 0

)

select
    by_cohort.arm,
    by_cohort.site,
    by_cohort.week_start_date,
    by_cohort.cohort,
    by_cohort.status,
    by_cohort.as_of_date,
    by_cohort.users::int as users,
    case
        when everybody.users >= {{ var('min_share_users') }} then 100.0::double precision * by_cohort.users / everybody.users
    end as pct,
    by_cohort.median_vs_start
from by_cohort
inner join by_cohort as everybody
    on
        by_cohort.arm = everybody.arm
        and by_cohort.site = everybody.site
        and by_cohort.week_start_date = everybody.week_start_date
        and by_cohort.cohort = everybody.cohort
        and everybody.status = 'all'
