{# A participant enrols before the end, and before leaving. #}
{{ config(severity='warn') }}

select
    user_id,
    enrolled_on,
    ends_on,
    withdrawn_on
from {{ ref('stg_participants') }}
where enrolled_on > least(ends_on, withdrawn_on)
