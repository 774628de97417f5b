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
select
    coalesce(mapped.identifier, known.identifier) as identifier,
    coalesce(mapped.user_id, known.identifier) as user_id,
    {{ time_of_change() }} as changed_at
from mapped
full outer join {{ this }} as known on mapped.identifier = known.identifier
where coalesce(mapped.user_id, known.identifier) is distinct from known.user_id
{% else %}
select
    *,
    clock_timestamp() as changed_at
from mapped
{% endif %}
