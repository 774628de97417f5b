{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='user_id',
    meta={'distribution': 'reference'},
) }}

with zone as (

    select
        lower(name) as lower_name,
        min(name) as name
    from pg_timezone_names
    group by lower(name)

),

-- an archive's own profile
profile as (

    select
        {{ participant_of('profile.user_id') }} as user_id,
        min(zone.name) as time_zone
    from {{ ref('stg_profiles') }} as profile
    {{ join_identifiers('profile.user_id') }}
    inner join zone on lower(profile.time_zone) = zone.lower_name
    group by {{ participant_of('profile.user_id') }}

),

-- union and group by, not a full join: Citus loses columns of one
listed as (

    select
        user_id,
        coalesce(max(roster_time_zone), max(profile_time_zone)) as time_zone,
        max(device) as device
    from (
        select
            user_id,
            time_zone as roster_time_zone,
            null as profile_time_zone,
            device
        from {{ ref('stg_participants') }}

        union all

        select
            user_id,
            null as roster_time_zone,
            time_zone as profile_time_zone,
            null as device
        from profile
    ) as known
    group by user_id

)

{% if is_incremental() %}
-- what is listed now, beside what was
select
    user_id,
    max(time_zone) filter (where is_now) as time_zone,
    max(device) filter (where is_now) as device,
    {{ time_of_change() }} as changed_at
from (
    select
        user_id,
        time_zone,
        device,
        true as is_now
    from listed

    union all

    select
        user_id,
        time_zone,
        device,
        false as is_now
    from {{ this }}
) as stated
group by user_id
having
    max(time_zone) filter (where is_now) is distinct from max(time_zone) filter (where not is_now)
    or max(device) filter (where is_now) is distinct from max(device) filter (where not is_now)
{% else %}
select
    *,
    clock_timestamp() as changed_at
from listed
where time_zone is not null or device is not null
{% endif %}
