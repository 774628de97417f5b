{% set of_roster = ['enrolled_on', 'ends_on', 'withdrawn_on', 'arm', 'site', 'device'] %}
{% set of_records = ['first_record_date', 'last_record_date', 'last_valid_date'] %}
{{ config(materialized='table', meta={'distribution': 'user_id'}) }}

with identifier as (

    select
        user_id,
        count(*) as n_identifiers
    from {{ ref('int_identifier') }}
    where is_listed
    group by user_id

),

sender as (

    select distinct user_id
    from {{ ref('int_file_user') }}
    where is_loaded

),

-- looks up the first and last rows of each participant: reading all days would take longer than the rest
recorded as (

    select
        sender.user_id,
        least(extent.first_date, night.first_date) as first_record_date,
        greatest(extent.last_date, night.last_date) as last_record_date,
        valid_day.last_valid_date
    from sender
    left join ({{ user_extents() }}) as extent on sender.user_id = extent.user_id
    cross join lateral (
        select
            min(sleep.sleep_date) as first_date,
            max(sleep.sleep_date) as last_date
        from {{ ref('stg_sleep') }} as sleep
        where sleep.user_id = sender.user_id
    ) as night
    cross join lateral (
        select max(user_day.activity_date) as last_valid_date
        from {{ ref('fct_user_day') }} as user_day
        where user_day.user_id = sender.user_id and user_day.is_valid_day
    ) as valid_day

),

known as (

    select
        user_id,
        true as is_on_roster,
        false as has_data,
        {% for column in of_roster %}
        {{ column }},
        {% endfor %}
        {% for column in of_records %}
        null::date as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('stg_participants') }}

    union all

    select
        user_id,
        false as is_on_roster,
        true as has_data,
        {% for column in of_roster %}
        null as {{ column }},
        {% endfor %}
        {% for column in of_records %}
        {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from recorded

),

observed as (

    select
        user_id,
        bool_or(is_on_roster) as is_on_roster,
        bool_or(has_data) as has_data,
        least(max(ends_on), max(withdrawn_on)) as left_on,
        max(as_of.as_of_date) as as_of_date,
        {% for column in of_roster + of_records %}
        max({{ column }}) as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from known
    cross join {{ ref('int_as_of') }} as as_of
    group by user_id

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
    place.time_zone,
    observed.device,
    coalesce(identifier.n_identifiers, 0)::int as n_identifiers,
    observed.first_record_date,
    observed.last_record_date,
    observed.last_valid_date,
    -- least() leaves out nulls, and without an as-of date nothing is known of today
    case when observed.as_of_date is not null and observed.enrolled_on is not null
        then greatest(least(observed.as_of_date, observed.left_on) - observed.enrolled_on + 1, 0)
    end as enrolled_days,
    case when observed.last_record_date is not null and observed.left_on is not null
        then greatest(observed.last_record_date - observed.left_on, 0)
    end as days_after_leaving,
    case when observed.first_record_date is not null and observed.enrolled_on is not null
        then greatest(observed.enrolled_on - observed.first_record_date, 0)
    end as days_before_enrolment
from observed
left join {{ ref('int_participant') }} as place on observed.user_id = place.user_id
left join identifier on observed.user_id = identifier.user_id
