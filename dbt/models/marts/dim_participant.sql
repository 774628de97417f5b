{{ config(materialized='table', meta={'distribution': 'user_id'}) }}

with identifier as (

    select
        user_id,
        count(*) as n_identifiers
    from {{ ref('stg_identifiers') }}
    where not has_conflict
    group by user_id

),

sender as (

    select distinct user_id
    from {{ ref('int_file_user') }}
    where is_loaded

),

listed as (

    select
        coalesce(roster.user_id, sender.user_id) as user_id,
        roster.user_id is not null as is_on_roster,
        sender.user_id is not null as has_data,
        roster.enrolled_on,
        roster.ends_on,
        roster.withdrawn_on,
        least(roster.ends_on, roster.withdrawn_on) as left_on,
        roster.arm,
        roster.site,
        roster.device
    from {{ ref('stg_participants') }} as roster
    full outer join sender on roster.user_id = sender.user_id

),

-- looks up the first and last rows of each participant: reading all days would take longer than the rest
observed as (

    select
        listed.*,
        least(extent.first_date, night.first_date) as first_record_date,
        greatest(extent.last_date, night.last_date) as last_record_date,
        valid_day.last_valid_date
    from listed
    left join ({{ user_extents() }}) as extent on listed.user_id = extent.user_id
    cross join lateral (
        select
            min(sleep.sleep_date) as first_date,
            max(sleep.sleep_date) as last_date
        from {{ ref('stg_sleep') }} as sleep
        where sleep.user_id = listed.user_id
    ) as night
    cross join lateral (
        select max(user_day.activity_date) as last_valid_date
        from {{ ref('fct_user_day') }} as user_day
        where user_day.user_id = listed.user_id and user_day.is_valid_day
    ) as valid_day

)

select
    observed.user_id,
    observed.is_on_roster,
    observed.has_data,
    observed.enrolled_on,
    observed.ends_on,
    observed.withdrawn_on,
    observed.left_on,
    observed.arm,
    observed.site,
    known.time_zone,
    observed.device,
    coalesce(identifier.n_identifiers, 0)::int as n_identifiers,
    observed.first_record_date,
    observed.last_record_date,
    observed.last_valid_date,
    -- least() leaves out nulls, and without an as-of date nothing is known of today
    case when as_of.as_of_date is not null and observed.enrolled_on is not null
        then greatest(least(as_of.as_of_date, observed.left_on) - observed.enrolled_on + 1, 0)
    end as enrolled_days,
    case when observed.last_record_date is not null and observed.left_on is not null
        then greatest(observed.last_record_date - observed.left_on, 0)
    end as days_after_leaving,
    case when observed.first_record_date is not null and observed.enrolled_on is not null
        then greatest(observed.enrolled_on - observed.first_record_date, 0)
    end as days_before_enrolment
from observed
cross join {{ ref('int_as_of') }} as as_of
left join {{ ref('int_participant') }} as known on observed.user_id = known.user_id
left join identifier on observed.user_id = identifier.user_id
