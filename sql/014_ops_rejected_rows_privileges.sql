-- the raw lines of quarantine are for the loader alone, who replays and erases them; see docker/postgres/roles.sql
do $$
begin
    if to_regrole('wearables_transformer') is not null then
        revoke select on ops.rejected_rows from wearables_transformer;
    end if;
    if to_regrole('wearables_monitor') is not null then
        revoke select on ops.rejected_rows from wearables_monitor;
        grant select (rejected_row_id, file_id, line_number, column_name, reason, rejected_at, run_id)
        on ops.rejected_rows to wearables_monitor;
    end if;
end
$$;
