-- Spread the raw tables over the workers of a Citus cluster: the rows of a participant are on one node, in all tables.
-- `migrate --distribute` runs this file. A migration of a database that is distributed runs it again at its end, in its
-- transaction. A table that is distributed already is left alone.
do $$
declare
    found record;
begin
    for found in
        select format('%I.%I', n.nspname, c.relname) as name
        from pg_class as c
        inner join pg_namespace as n on c.relnamespace = n.oid
        inner join pg_attribute as a on c.oid = a.attrelid
        where
            c.relkind = 'r'
            and (
                n.nspname in ('raw', current_setting('wearables_pipeline.schema', true))
                or n.nspname in (select target_schema from ops.raw_ingest_manifest)
            )
            and a.attname = 'user_id' and not a.attisdropped
            -- who an identifier means is needed on every node: dbt makes a reference table of it
            and c.relname <> 'identifiers'
            and not exists (select from pg_dist_partition as p where p.logicalrelid = c.oid)
        -- the first table is the one with which all others share their nodes
        order by n.nspname <> 'raw', c.relname <> 'daily_activity', c.relname
    loop
        perform create_distributed_table(
            found.name::regclass, 'user_id',
            colocate_with => case when found.name = 'raw.daily_activity' then 'none' else 'raw.daily_activity' end
        );
        -- the rows that were moved stay on the coordinator's disk, where nothing reads or erases them
        perform truncate_local_data_after_distributing_table(found.name::regclass);
    end loop;
end
$$;
