-- name: marts()
select
    c.relname as name,
    c.relkind = 'v' as is_view,
    greatest(c.reltuples, 0)::bigint as estimated_rows
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where n.nspname = 'marts' and c.relkind in ('r', 'v', 'm')
order by c.relname;

-- name: rejected_by_reason(run_id)
select
    m.source_filename as filename,
    r.reason,
    r.column_name,
    count(*) as rows_rejected,
    min(r.line_number) as first_line
from ops.rejected_rows as r
inner join ops.raw_ingest_manifest as m on r.file_id = m.file_id
where r.run_id = :run_id
group by m.source_filename, r.reason, r.column_name
order by rows_rejected desc, m.source_filename
limit 20;

-- name: users_by_status()
-- The as-of date is near the latest day, and an index finds it there. Only if there is none are all statuses read.
select
    status,
    count(*) as users,
    as_of_date
from marts.fct_user_status
where
    as_of_date = coalesce(
        (
            select max(latest.as_of_date)
            from marts.fct_user_status as latest
            where latest.as_of_date >= (select max(user_day.activity_date) - 7 from marts.fct_user_day as user_day)
        ),
        (select max(latest.as_of_date) from marts.fct_user_status as latest)
    )
group by status, as_of_date
order by array_position(
    array[
        'withdrawn', 'completed', 'never_started', 'stopped', 'wearing_less', 'new', 'declining', 'increasing', 'stable'
    ], status
);
