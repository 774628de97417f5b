-- name: find_loaded_name(target_schema, dataset, source_filename)$
select file_id
from ops.raw_ingest_manifest
where
    target_schema = :target_schema
    and source = :dataset
    and source_filename = :source_filename
    and status = 'loaded';

-- name: is_loaded(target_schema, source_filename)$
select exists (
    select from ops.raw_ingest_manifest
    where
        target_schema = :target_schema
        and source_filename = :source_filename
        and status = 'loaded'
);

-- name: find_loaded_checksum(target_schema, dataset, checksum, person, part)^
select
    file_id,
    source_filename
from ops.raw_ingest_manifest
where
    target_schema = :target_schema
    and source = :dataset
    and checksum = :checksum
    and person is not distinct from :person
    and part is not distinct from :part
    and status = 'loaded';

-- name: look_up(target_schema, dataset, source_filename, person, part, checksum, known_erased)^
-- everything that decides about a file, as it is once the dataset is locked
select
    same_bytes.file_id as original_id,
    same_bytes.source_filename as original_name,
    same_name.file_id as older_id,
    (
        select twin.source_filename
        from ops.raw_ingest_manifest as twin
        where
            twin.target_schema = :target_schema
            and twin.source = :dataset
            and twin.checksum = :checksum
            and twin.person is distinct from :person
            and twin.status = 'loaded'
        order by twin.file_id
        limit 1
    ) as twin,
    exists (
        select from ops.raw_ingest_manifest as retracted
        where
            retracted.target_schema = :target_schema
            and retracted.source = :dataset
            and retracted.checksum = :checksum
            and retracted.person is not distinct from :person
            and retracted.status = 'retracted'
    ) as is_retracted,
    -- only where they are not those that were read before
    case when erased.digest is distinct from :known_erased then erased.hashes end as erased,
    erased.digest as erased_digest
from (
    select
        array_agg(user_hash) as hashes,
        md5(string_agg(user_hash, ',' order by user_hash)) as digest
    from ops.erased_users
) as erased
left join
    ops.raw_ingest_manifest as same_bytes
    on
        same_bytes.target_schema = :target_schema
        and same_bytes.source = :dataset
        and same_bytes.checksum = :checksum
        and same_bytes.person is not distinct from :person
        and same_bytes.part is not distinct from :part
        and same_bytes.status = 'loaded'
left join
    ops.raw_ingest_manifest as same_name
    on
        same_name.target_schema = :target_schema
        and same_name.source = :dataset
        and same_name.source_filename = :source_filename
        and same_name.status = 'loaded';

-- name: loaded_files(target_schema)
select
    source,
    source_filename,
    file_id,
    checksum,
    size_bytes,
    source_version,
    person,
    part,
    rows_read - rows_blank as rows_filled
from ops.raw_ingest_manifest
where target_schema = :target_schema and status = 'loaded';

-- name: next_file_id()$
select nextval(pg_get_serial_sequence('ops.raw_ingest_manifest', 'file_id'));

-- name: record_loaded(file_id, source_filename, person, part, checksum, dataset, target_schema, size_bytes, source_version, rows_read, row_count, rows_rejected, rows_blank, rows_erased, run_id, header, dialect, remarks, device)!
insert into ops.raw_ingest_manifest (
    file_id, source_filename, person, part, checksum, status, source, target_schema, size_bytes, source_version,
    rows_read, row_count, rows_rejected, rows_blank, rows_erased, run_id, header, dialect, remarks, device
)
values (
    :file_id, :source_filename, :person, :part, :checksum, 'loaded', :dataset, :target_schema, :size_bytes,
    :source_version,
    :rows_read, :row_count, :rows_rejected, :rows_blank, :rows_erased, :run_id, :header, :dialect, :remarks, :device
);

-- name: certain_date_orders(target_schema, dataset, folder)
-- the orders of dates that loaded files of a folder left no doubt about
select distinct dialect ->> 'date_order' as date_order
from ops.raw_ingest_manifest
where
    target_schema = :target_schema
    and source = :dataset
    and status = 'loaded'
    and starts_with(source_filename, :folder)
    and (dialect ->> 'is_date_order_certain')::boolean;

-- name: record_not_loaded(source_filename, person, part, checksum, status, dataset, target_schema, size_bytes, source_version, duplicate_of, run_id, reason)!
insert into ops.raw_ingest_manifest (
    source_filename, person, part, checksum, status, source, target_schema, size_bytes, source_version,
    duplicate_of, run_id, reason
)
values (
    :source_filename, :person, :part, :checksum, :status, :dataset, :target_schema, :size_bytes, :source_version,
    :duplicate_of, :run_id, :reason
)
on conflict (target_schema, source, source_filename, checksum, status)
where status in ('duplicate', 'refused')
do update
    set
        ingested_at = excluded.ingested_at,
        duplicate_of = excluded.duplicate_of,
        run_id = excluded.run_id,
        reason = excluded.reason,
        source_version = coalesce(excluded.source_version, raw_ingest_manifest.source_version);

-- name: remember_versions(file_ids, versions)!
update ops.raw_ingest_manifest as m
set source_version = v.source_version
from unnest(:file_ids::bigint[], :versions::text[]) as v (file_id, source_version)
where m.file_id = v.file_id and m.status = 'loaded';

-- name: mark_replaced(file_id)!
update ops.raw_ingest_manifest
set status = 'replaced'
where file_id = :file_id;

-- name: mark_dataset_replaced(target_schema, dataset)!
update ops.raw_ingest_manifest
set status = 'replaced'
where target_schema = :target_schema and source = :dataset and status = 'loaded';

-- name: content_fingerprint(target_schema)$
-- changes whenever the loaded files or their row counts change
select md5(coalesce(string_agg(file_id || ':' || row_count, ',' order by file_id), ''))
from ops.raw_ingest_manifest
where target_schema = :target_schema and status = 'loaded';

-- name: lock(names)
-- in the order of their names, so that no two transactions wait for each other
select pg_advisory_xact_lock(hashtextextended(ordered.name, 0))
from (
    select name
    from unnest(:names::text []) as name
    order by name
) as ordered;

-- name: claim(name)$
select pg_try_advisory_xact_lock(hashtextextended(:name, 0));
