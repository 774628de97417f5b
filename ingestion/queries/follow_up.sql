-- name: mart_exists()$
select to_regclass('marts.rpt_follow_up') is not null;

-- name: entries(most, also)
select
    position,
    user_id,
    arm,
    site,
    as_of_date,
    reason,
    status,
    wearing_less_by,
    since_date,
    said_on,
    certainty,
    evidence,
    threshold,
    cause,
    last_sync_date,
    battery_percent,
    battery_state,
    battery_read_date,
    last_record_date,
    last_valid_date,
    last_worn_date,
    usual_steps,
    recent_steps
from marts.rpt_follow_up
where :most::int is null or position <= :most::int or user_id = any(:also::text [])
order by position;

-- name: everybody()
select
    user_id,
    arm,
    site,
    reason,
    cause
from marts.rpt_follow_up;

-- name: latest_as_of_date()$
select max(as_of_date)
from marts.fct_user_status;

-- name: earlier_list(told_by, as_of_date)^
select
    list_id,
    as_of_date
from ops.follow_up_lists
where told_by = :told_by and as_of_date < :as_of_date
order by as_of_date desc
limit 1;

-- name: entries_of(list_id)
select
    user_id,
    reason
from ops.follow_up_entries
where list_id = :list_id
order by user_id;

-- name: statuses(as_of_date, user_ids)
select
    user_id,
    status
from marts.fct_user_status
where as_of_date = :as_of_date and user_id = any(:user_ids);

-- name: delete_list(told_by, as_of_date)!
delete from ops.follow_up_lists
where told_by = :told_by and as_of_date = :as_of_date;

-- name: insert_list(told_by, as_of_date, run_id)$
insert into ops.follow_up_lists (told_by, as_of_date, run_id)
values (:told_by, :as_of_date, :run_id)
returning list_id;

-- name: insert_entries(list_id, user_ids, reasons)!
insert into ops.follow_up_entries (list_id, user_id, reason)
select
    :list_id,
    told.user_id,
    told.reason
from unnest(:user_ids::text [], :reasons::text []) as told (user_id, reason);

-- name: delete_lists_before(told_by, as_of_date)!
delete from ops.follow_up_lists
where told_by = :told_by and as_of_date < :as_of_date;

-- name: roster()
select user_id
from marts.dim_participant
where is_on_roster
order by user_id;
