-- name: begin_session(role, statement_timeout, lock_timeout, idle_in_transaction, keepalives_idle, keepalives_interval, keepalives_count, tcp_user_timeout, run_lock)^
select
    -- null keeps the login role
    set_config('role', :role, false) as role,
    set_config('statement_timeout', :statement_timeout, false) as statement_timeout,
    set_config('lock_timeout', :lock_timeout, false) as lock_timeout,
    -- a client that has stopped must not hold locks for ever
    set_config('idle_in_transaction_session_timeout', :idle_in_transaction, false) as idle_in_transaction,
    -- the connection that holds a run's locks is idle
    set_config('idle_session_timeout', '0', false) as idle_session,
    -- a busy server checks this often that the pipeline is still connected
    set_config('client_connection_check_interval', '2s', false) as connection_check,
    -- the server notices by these that the client's machine or the network has gone
    set_config('tcp_keepalives_idle', :keepalives_idle, false) as keepalives_idle,
    set_config('tcp_keepalives_interval', :keepalives_interval, false) as keepalives_interval,
    set_config('tcp_keepalives_count', :keepalives_count, false) as keepalives_count,
    set_config('tcp_user_timeout', :tcp_user_timeout, false) as tcp_user_timeout,
    -- the run's own connection shares the lock; whoever declares the run dead holds it alone
    (
        :run_lock::text is null
        or exists (
            select from pg_locks
            where
                locktype = 'advisory'
                and objsubid = 1
                and granted
                and mode = 'ShareLock'
                and database = (select oid from pg_database where datname = current_database())
                and (classid::bigint << 32) | objid::bigint = hashtextextended(:run_lock, 0)
        )
    ) as is_alive;

-- name: take_run_locks(name, run_lock, shared, application_name)^
-- the lock of the run and the name of the session only where the first lock is free
with held as materialized (
    select
        case
            when :shared then pg_try_advisory_lock_shared(lock_key) else pg_try_advisory_lock(lock_key)
        end as is_held
    from hashtextextended(:name, 0) as lock_key
)

select
    is_held,
    case when is_held then pg_try_advisory_lock_shared(hashtextextended(:run_lock, 0)) end as is_alive,
    case when is_held then set_config('application_name', :application_name, false) end as application_name
from held;

-- name: end_connections(run_id, milliseconds)
select pg_terminate_backend(pid, :milliseconds) as has_ended
from pg_stat_activity
where
    datname = current_database()
    and pid <> pg_backend_pid()
    and application_name like '%% run ' || :run_id;
