-- Bring the raw tables back to one node. `migrate --undistribute` runs this file. It may run again.
do $$
declare
    found record;
begin
    for found in
        select p.logicalrelid::regclass as name
        from pg_dist_partition as p
        inner join pg_class as c on p.logicalrelid = c.oid
        inner join pg_namespace as n on c.relnamespace = n.oid
        where
            p.partmethod = 'h'
            and (
                n.nspname in ('raw', current_setting('wearables_pipeline.schema', true))
                or n.nspname in (select target_schema from ops.raw_ingest_manifest)
            )
        order by n.nspname, c.relname
    loop
        perform undistribute_table(found.name);
    end loop;
end
$$;
