-- name: files_named(target_schema, source_filename)
-- of an archive, all members
select
    file_id,
    source_filename,
    source,
    row_count,
    rows_rejected
from ops.raw_ingest_manifest
where
    target_schema = :target_schema
    and (source_filename = :source_filename or starts_with(source_filename, :source_filename || '!/'))
    and status = 'loaded'
order by file_id;

-- name: mark_retracted(file_id, reason, run_id)!
update ops.raw_ingest_manifest
set status = 'retracted', reason = :reason, run_id = :run_id
where file_id = :file_id;

-- name: mark_refused_retracted(file_id, reason, run_id)!
-- the same content, where it was refused for another dataset of the file
update ops.raw_ingest_manifest as refused
set status = 'retracted', reason = :reason, run_id = :run_id
from ops.raw_ingest_manifest as loaded
where
    loaded.file_id = :file_id
    and refused.status = 'refused'
    and refused.target_schema = loaded.target_schema
    and refused.source_filename = loaded.source_filename
    and refused.checksum = loaded.checksum;

-- name: delete_rejected(file_id)!
delete from ops.rejected_rows
where file_id = :file_id;

-- name: rejected_lines(file_ids)
select
    file_id,
    rejected_row_id,
    raw_line
from ops.rejected_rows
where file_id = any(:file_ids);

-- name: delete_rejected_rows(rejected_row_ids)!
delete from ops.rejected_rows
where rejected_row_id = any(:rejected_row_ids);

-- name: record_tombstone(user_hash, run_id)!
insert into ops.erased_users (user_hash, run_id)
values (:user_hash, :run_id)
on conflict (user_hash) do nothing;

-- name: erased()^
select
    array_agg(user_hash) as hashes,
    md5(string_agg(user_hash, ',' order by user_hash)) as digest
from ops.erased_users;

-- name: count_erased(file_id, from_raw, from_quarantine)!
update ops.raw_ingest_manifest
set
    row_count = row_count - :from_raw,
    rows_rejected = rows_rejected - :from_quarantine,
    rows_erased = rows_erased + :from_raw + :from_quarantine
where file_id = :file_id;

-- name: rejected_with(ids, own_files, target_schema)
-- rows that may be a participant's: those of the files that name them, and those that contain the id
select
    r.rejected_row_id,
    r.file_id,
    r.raw_line,
    r.file_id = any(:own_files::bigint[]) as is_own
from ops.rejected_rows as r
inner join ops.raw_ingest_manifest as m on r.file_id = m.file_id
where
    m.target_schema = :target_schema
    and (
        r.file_id = any(:own_files::bigint[])
        or exists (select from unnest(:ids::bytea[]) as mentioned (id) where position(mentioned.id in r.raw_line) > 0)
    );

-- name: names_of(file_ids)
select
    file_id,
    source_filename
from ops.raw_ingest_manifest
where file_id = any(:file_ids)
order by source_filename;

-- name: model_tables()
-- tables that dbt has built, and those where it keeps the rows of failed tests
select
    n.nspname,
    c.relname
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
inner join pg_attribute as a on c.oid = a.attrelid and a.attname = 'user_id' and not a.attisdropped
where n.nspname in ('staging', 'intermediate', 'marts', 'dbt_test_failures') and c.relkind in ('r', 'p')
order by n.nspname, c.relname;

-- name: names_with_rejected()
select
    file_id,
    source_filename
from ops.raw_ingest_manifest
where rows_rejected > 0;

-- name: forget_recognised(names)!
delete from ops.recognised_files
where source_filename = any(:names::text []);

-- name: recognised_names()
select source_filename
from ops.recognised_files;

-- name: forget_followed_up(ids)!
delete from ops.follow_up_entries
where user_id = any(:ids);
