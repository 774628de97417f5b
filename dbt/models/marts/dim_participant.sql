{{ config(materialized='table', meta={'distribution': 'user_id'}) }}

with identifier as (

    select
        user_id,
        count(*) as n_identifiers
    from {{ ref('stg_identifiers') }}
    where not has_conflict
    group by user_id

),

record as (

    select
        user_id,
        activity_date as record_date,
        is_valid_day
    from {{ ref('fct_user_day') }}
    where has_record

    union all

    select
        user_id,
        sleep_date as record_date,
        false as is_valid_day
    from {{ ref('stg_sleep') }}

),

observed as (

    select
        user_id,
        min(record_date) as first_record_date,
        max(record_date) as last_record_date,
        max(record_date) filter (where is_valid_day) as last_valid_date
    from record
    group by user_id

),

listed as (

    select
        coalesce(roster.user_id, observed.user_id) as user_id,
        roster.user_id is not null as is_on_roster,
        observed.user_id is not null as has_data,
        roster.enrolled_on,
        roster.ends_on,
        roster.withdrawn_on,
        roster.arm,
        roster.site,
        roster.device,
        observed.first_record_date,
        observed.last_record_date,
        observed.last_valid_date
    from {{ ref('stg_participants') }} as roster
    full outer join observed on roster.user_id = observed.user_id

)

select
    listed.user_id,
    listed.is_on_roster,
    listed.has_data,
    listed.enrolled_on,
    listed.ends_on,
    listed.withdrawn_on,
    least(listed.ends_on, listed.withdrawn_on) as left_on,
    listed.arm,
    listed.site,
    known.time_zone,
    listed.device,
    coalesce(identifier.n_identifiers, 0)::int as n_identifiers,
    listed.first_record_date,
    listed.last_record_date,
    listed.last_valid_date,
    -- the days from enrolment to the as-of date or the last day in the study, both included
    case
        when least(as_of.as_of_date, listed.ends_on, listed.withdrawn_on) >= listed.enrolled_on
            then least(as_of.as_of_date, listed.ends_on, listed.withdrawn_on) - listed.enrolled_on + 1
        when listed.enrolled_on is not null then 0
    end as enrolled_days,
    greatest(listed.last_record_date - least(listed.ends_on, listed.withdrawn_on), 0) as days_after_leaving,
    greatest(listed.enrolled_on - listed.first_record_date, 0) as days_before_enrolment
from listed
cross join {{ ref('int_as_of') }} as as_of
left join {{ ref('int_participant') }} as known on listed.user_id = known.user_id
left join identifier on listed.user_id = identifier.user_id
