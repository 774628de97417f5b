-- name: has_citus()$
select to_regclass('pg_catalog.pg_dist_partition') is not null as has_citus;

-- name: is_distributed(target_schema)$
select exists (
    select from pg_dist_partition
    where logicalrelid = to_regclass(format('%%I.daily_activity', :target_schema))
);

-- name: cluster()^
select
    (select groupid = 0 from pg_dist_local_group) as is_coordinator,
    (
        select count(*)
        from pg_dist_node
        where noderole = 'primary' and isactive and shouldhaveshards and groupid <> 0
    ) as workers;

-- name: tables(target_schema)
-- the raw tables with rows of participants, and what distributing them depends on
select
    n.nspname as schema_name,
    c.relname as table_name,
    pg_has_role(c.relowner, 'usage') as is_owned,
    exists (select from pg_dist_partition as p where p.logicalrelid = c.oid) as is_distributed
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
inner join pg_attribute as a on c.oid = a.attrelid
where
    c.relkind = 'r'
    and (n.nspname in ('raw', :target_schema) or n.nspname in (select target_schema from ops.raw_ingest_manifest))
    and a.attname = 'user_id'
    and not a.attisdropped
    and c.relname <> 'identifiers'
order by n.nspname, c.relname;

-- name: set_schema(target_schema)$
-- for sql/citus/
select set_config('wearables_pipeline.schema', :target_schema, true);
