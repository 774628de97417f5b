{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='identifier',
    meta={'distribution': 'reference'},
) }}

with mapped as (

    select
        identifier,
        user_id
    from {{ ref('stg_identifiers') }}
    where not has_conflict

)

{% if is_incremental() %}
-- what is mapped now, beside what was
select
    identifier,
    coalesce(max(user_id) filter (where is_now), identifier) as user_id,
    bool_or(is_now) as is_listed,
    {{ time_of_change() }} as changed_at
from (
    select
        identifier,
        user_id,
        true as is_listed,
        true as is_now
    from mapped

    union all

    select
        identifier,
        user_id,
        is_listed,
        false as is_now
    from {{ this }}
) as stated
group by identifier
having
    coalesce(max(user_id) filter (where is_now), identifier) is distinct from max(user_id) filter (where not is_now)
    or bool_or(is_now) is distinct from bool_or(is_listed) filter (where not is_now)
{% else %}
select
    *,
    true as is_listed,
    clock_timestamp() as changed_at
from mapped
{% endif %}
