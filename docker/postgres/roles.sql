-- Creates the roles of the pipeline and their privileges. An administrator runs it with psql 15 or newer in the
-- pipeline's database, as often as necessary. Compose runs it on the first start of its database; on another database:
--
--   PIPELINE_PASSWORD=... READER_PASSWORD=... psql "service=... dbname=wearables" -f docker/postgres/roles.sql
--
--   wearables_owner        owns the schemas raw and ops; only the step `migrate` uses it
--   wearables_loader       loads files and records runs; cannot create, alter or drop anything
--   wearables_transformer  owns dbt's schemas; can read raw and ops, but not change them
--   wearables_monitor      reads ops and marts, for `status` and the summary of a run
--   wearables_reader       reads marts, but neither raw rows nor quarantined ones
--   pipeline               login role; inherits wearables_monitor and needs SET ROLE for the others; not a superuser
--   reader                 login role; inherits wearables_reader
--
-- Roles belong to the server and not to a database: two pipelines on one server share them.
\set ON_ERROR_STOP on
\getenv pipeline_password PIPELINE_PASSWORD
\getenv reader_password READER_PASSWORD
set client_min_messages = warning;

select format('create role %I nologin', name)
from
    unnest(array[
        'wearables_owner', 'wearables_loader', 'wearables_transformer', 'wearables_monitor', 'wearables_reader'
    ]) as name
where not exists (select from pg_roles where rolname = name) \gexec

select format('create role %I login', name)
from unnest(array['pipeline', 'reader']) as name
where not exists (select from pg_roles where rolname = name) \gexec

begin;

alter role pipeline nocreatedb nocreaterole connection limit 20;
alter role reader nocreatedb nocreaterole connection limit 20;
grant wearables_owner, wearables_loader, wearables_transformer to pipeline with inherit false, set true;
grant wearables_monitor to pipeline with inherit true, set false;
grant wearables_reader to reader with inherit true, set false;
-- An administrator who is not a superuser needs these to change the owners of schemas and their default privileges.
grant wearables_owner, wearables_transformer to current_user with inherit true, set true;

-- Without a new password a role keeps its password.
\if :{?pipeline_password}
alter role pipeline password :'pipeline_password';
\endif
\if :{?reader_password}
alter role reader password :'reader_password';
\endif

select format('revoke all on database %I from public', current_database()) \gexec
select format('grant connect on database %I to pipeline, reader', current_database()) \gexec
-- `create schema if not exists` needs this privilege even if the schema exists.
select format('grant create on database %I to wearables_owner, wearables_transformer', current_database()) \gexec
select format('grant temporary on database %I to wearables_loader, wearables_transformer', current_database()) \gexec
revoke all on schema public from public;

create schema if not exists raw;
create schema if not exists ops;
create schema if not exists staging;
create schema if not exists intermediate;
create schema if not exists marts;
create schema if not exists dbt_test_failures;
alter schema raw owner to wearables_owner;
alter schema ops owner to wearables_owner;
alter schema staging owner to wearables_transformer;
alter schema intermediate owner to wearables_transformer;
alter schema marts owner to wearables_transformer;
alter schema dbt_test_failures owner to wearables_transformer;

grant usage on schema raw, ops to wearables_loader, wearables_transformer;
-- This allows a check whether the models exist, but not reading them.
grant usage on schema staging, intermediate, marts to wearables_loader, wearables_monitor;
grant usage on schema ops to wearables_monitor;
grant usage on schema marts to wearables_reader;

-- Privileges on what migrations and dbt will create.
alter default privileges for role wearables_owner in schema raw
grant select, insert, delete, truncate on tables to wearables_loader;
alter default privileges for role wearables_owner in schema ops
grant select, insert, update, delete on tables to wearables_loader;
alter default privileges for role wearables_owner in schema ops
grant usage on sequences to wearables_loader;
alter default privileges for role wearables_owner in schema raw, ops
grant select on tables to wearables_transformer;
alter default privileges for role wearables_owner in schema ops
grant select on tables to wearables_monitor;
alter default privileges for role wearables_transformer in schema marts
grant select on tables to wearables_monitor, wearables_reader;

-- Privileges on what exists: a database may have been used before it had roles.
select format('alter table %I.%I owner to wearables_owner', schemaname, tablename)
from pg_tables where schemaname in ('raw', 'ops') and tableowner <> 'wearables_owner' \gexec
select format('alter %s %I.%I owner to wearables_transformer',
    case relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end, nspname, relname)
from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
where
    nspname in ('staging', 'intermediate', 'marts', 'dbt_test_failures') and relkind in ('r', 'p', 'v', 'm')
    and relowner <> 'wearables_transformer'::regrole \gexec

select format('alter routine %s owner to wearables_transformer', oid::regprocedure)
from pg_proc
where
    pronamespace in ('staging'::regnamespace, 'intermediate'::regnamespace, 'marts'::regnamespace)
    and proowner <> 'wearables_transformer'::regrole \gexec

grant select, insert, delete, truncate on all tables in schema raw to wearables_loader;
grant select, insert, update, delete on all tables in schema ops to wearables_loader;
grant usage on all sequences in schema ops to wearables_loader;
grant select on all tables in schema raw, ops to wearables_transformer;
grant select on all tables in schema ops to wearables_monitor;
grant select on all tables in schema marts to wearables_monitor, wearables_reader;

-- The same as sql/014: only the loader may read the raw lines in quarantine.
select 'revoke select on ops.rejected_rows from wearables_transformer, wearables_monitor'
where to_regclass('ops.rejected_rows') is not null \gexec
select
    'grant select (rejected_row_id, file_id, line_number, column_name, reason, rejected_at, run_id)'
    ' on ops.rejected_rows to wearables_monitor'
where to_regclass('ops.rejected_rows') is not null \gexec

-- The same as sql/015: nobody may change the key of the pseudonyms, and dbt may not read it.
select 'revoke select on ops.report_key from wearables_transformer'
where to_regclass('ops.report_key') is not null \gexec
select 'revoke insert, update, delete on ops.report_key from wearables_loader'
where to_regclass('ops.report_key') is not null \gexec

commit;
