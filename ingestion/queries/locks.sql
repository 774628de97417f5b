-- name: try_lock(name, shared)^
select
    case when :shared then pg_try_advisory_lock_shared(lock_key) else pg_try_advisory_lock(lock_key) end as is_held
from hashtextextended(:name, 0) as lock_key;

-- name: held_locks(names, prefix)
select name
from unnest(:names::text []) as name
inner join
    pg_locks
    on
        locktype = 'advisory'
        and objsubid = 1
        and granted
        and database = (select oid from pg_database where datname = current_database())
        and (classid::bigint << 32) | objid::bigint = hashtextextended(:prefix || name, 0);
