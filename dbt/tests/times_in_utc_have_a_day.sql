{{ config(severity='warn') }}
{#
    Rows whose times are in UTC make no days where the participant's time zone is unknown. The roster (participants.csv) gives it:
    time_zone, such as Europe/Zurich.
#}
select
    file_user.user_id,
    file_user.source_name,
    sum(file_user.rows_in_utc) as rows_without_a_day
from {{ ref('int_file_user') }} as file_user
left join {{ ref('int_participant') }} as participant on file_user.user_id = participant.user_id
where file_user.is_loaded and file_user.rows_in_utc > 0 and participant.time_zone is null
group by file_user.user_id, file_user.source_name
