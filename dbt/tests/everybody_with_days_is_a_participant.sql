{# Everybody who has days in the marts is in dim_participant, with data. #}
select latest.user_id
from ({{ user_extents() }}) as latest
left join {{ ref('dim_participant') }} as participant on latest.user_id = participant.user_id and participant.has_data
where participant.user_id is null
