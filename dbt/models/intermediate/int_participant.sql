{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='user_id',
    meta={'distribution': 'user_id'},
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

listed as (

    select
        coalesce(roster.user_id, profile.user_id) as user_id,
        coalesce(roster.time_zone, profile.time_zone) as time_zone,
        roster.device
    from {{ ref('stg_participants') }} as roster
    full outer join profile on roster.user_id = profile.user_id

)

{% if is_incremental() %}
select
    coalesce(listed.user_id, known.user_id) as user_id,
    listed.time_zone,
    listed.device,
    {{ time_of_change() }} as changed_at
from listed
full outer join {{ this }} as known on listed.user_id = known.user_id
where
    listed.time_zone is distinct from known.time_zone
    or listed.device is distinct from known.device
{% else %}
select
    *,
    clock_timestamp() as changed_at
from listed
where time_zone is not null or device is not null
{% endif %}
