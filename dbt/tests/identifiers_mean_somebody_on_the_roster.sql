{# Probably a typing error, if there is a roster. #}
{{ config(severity='warn') }}

select
    mapped.identifier,
    mapped.user_id
from {{ ref('stg_identifiers') }} as mapped
left join {{ ref('stg_participants') }} as listed on mapped.user_id = listed.user_id
where mapped.user_id is not null and listed.user_id is null and exists (select 1 from {{ ref('stg_participants') }})
