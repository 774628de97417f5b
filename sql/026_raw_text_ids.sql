-- Participants are text, as their files write them: 007 is not 7, and P-017 is an id.
--
-- Each table is copied into a new one: PostgreSQL does not change the type of a column that a view uses, and dbt's
-- views have another owner. Dropping the old table drops them, whoever owns them, and the next dbt build creates them.
do $$
declare
    found record;
    view_of_others text;
    granted record;
begin
    for found in
        select c.oid, n.nspname as schema_name, c.relname as table_name
        from pg_class as c
        inner join pg_namespace as n on c.relnamespace = n.oid
        inner join pg_attribute as a on c.oid = a.attrelid
        where
            c.relkind = 'r'
            and (n.nspname = 'raw' or n.nspname in (select target_schema from ops.raw_ingest_manifest))
            and c.relname in ('daily_activity', 'sleep', 'hourly_steps', 'heart_rate', 'weight')
            and a.attname = 'user_id' and a.atttypid = 'bigint'::regtype
        order by n.nspname, c.relname
    loop
        select min(format('%I.%I', n.nspname, v.relname)) into view_of_others
        from pg_depend as d
        inner join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        inner join pg_class as v on r.ev_class = v.oid
        inner join pg_namespace as n on v.relnamespace = n.oid
        where
            d.refobjid = found.oid
            and n.nspname not in ('staging', 'intermediate', 'marts', 'dbt_test_failures');
        if view_of_others is not null then
            raise exception 'the view % uses %.%, whose user_id becomes text',
                view_of_others, found.schema_name, found.table_name
                using hint = 'Drop the view, run migrate, and create it again.';
        end if;

        execute format('create table %I.with_text_ids (like %I.%I including all)',
            found.schema_name, found.schema_name, found.table_name);
        execute format('alter table %I.with_text_ids alter column user_id type text collate "C"', found.schema_name);
        execute format('insert into %I.with_text_ids select * from %I.%I',
            found.schema_name, found.schema_name, found.table_name);
        execute format('comment on table %I.with_text_ids is %L',
            found.schema_name, obj_description(found.oid, 'pg_class'));
        for granted in
            select
                case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as grantee,
                a.privilege_type,
                case when a.is_grantable then ' with grant option' else '' end as as_option
            from pg_class as c, aclexplode(c.relacl) as a
            where c.oid = found.oid and a.grantee <> c.relowner
        loop
            execute format('grant %s on %I.with_text_ids to %s%s',
                granted.privilege_type, found.schema_name, granted.grantee, granted.as_option);
        end loop;
        execute format('drop table %I.%I cascade', found.schema_name, found.table_name);
        execute format('alter table %I.with_text_ids rename to %I', found.schema_name, found.table_name);
        execute format('comment on column %I.%I.user_id is %L',
            found.schema_name, found.table_name, 'The participant, as the file writes the id.');
    end loop;
end
$$;

comment on column ops.raw_ingest_manifest.person is
'The participant whom source_filename names, as it is written there; null where it names nobody.';
comment on column ops.erased_users.user_hash is
'HMAC-SHA256 of the user id, as text in UTF-8, under PIPELINE_ERASURE_KEY, in hexadecimal: no id can be read from it.';
