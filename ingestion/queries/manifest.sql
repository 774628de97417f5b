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

-- name: find_loaded_checksum(target_schema, dataset, checksum)^
select
    file_id,
    source_filename
from ops.raw_ingest_manifest
where
    target_schema = :target_schema
    and source = :dataset
    and checksum = :checksum
    and status = 'loaded';

-- name: loaded_files(target_schema)
select
    source,
    source_filename,
    file_id,
    checksum,
    size_bytes,
    source_version
from ops.raw_ingest_manifest
where target_schema = :target_schema and status = 'loaded';

-- name: next_file_id()$
select nextval(pg_get_serial_sequence('ops.raw_ingest_manifest', 'file_id'));

-- name: record_loaded(file_id, source_filename, checksum, dataset, target_schema, size_bytes, source_version, rows_read, row_count, rows_rejected, rows_blank, rows_erased, run_id, header, dialect, remarks)!
insert into ops.raw_ingest_manifest (
    file_id, source_filename, checksum, status, source, target_schema, size_bytes, source_version,
    rows_read, row_count, rows_rejected, rows_blank, rows_erased, run_id, header, dialect, remarks
)
values (
    :file_id, :source_filename, :checksum, 'loaded', :dataset, :target_schema, :size_bytes, :source_version,
    :rows_read, :row_count, :rows_rejected, :rows_blank, :rows_erased, :run_id, :header, :dialect, :remarks
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

-- name: record_not_loaded(source_filename, checksum, status, dataset, target_schema, size_bytes, source_version, duplicate_of, run_id, reason)!
insert into ops.raw_ingest_manifest (
    source_filename, checksum, status, source, target_schema, size_bytes, source_version,
    duplicate_of, run_id, reason
)
values (
    :source_filename, :checksum, :status, :dataset, :target_schema, :size_bytes, :source_version,
    :duplicate_of, :run_id, :reason
)
on conflict (target_schema, source, source_filename, checksum, status)
where status in ('duplicate', 'refused')
do update
    set
        ingested_at = excluded.ingested_at,
        duplicate_of = excluded.duplicate_of,
        run_id = excluded.run_id,
        reason = excluded.reason;

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

-- name: lock(name)^
select pg_advisory_xact_lock(hashtextextended(:name, 0));

-- name: claim(name)$
select pg_try_advisory_xact_lock(hashtextextended(:name, 0));
