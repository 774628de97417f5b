{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='user_id',
    meta={'distribution': 'user_id'},
) }}

with listed as (

    select
        user_id,
        time_zone,
        device
    from {{ ref('stg_participants') }}

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
