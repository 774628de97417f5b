-- name: is_loaded(target_schema, source_filename)$
select exists (
    select from ops.raw_ingest_manifest
    where
        target_schema = :target_schema
        and source_filename = :source_filename
        and status = 'loaded'
);

-- name: look_up(target_schema, datasets, filenames, persons, parts, checksums, known_erased)
-- Everything that decides about files, as it is once their datasets are locked. Each is looked up in an index. Without
-- statistics, which a new table lacks, all indexes seem alike; the order makes sure that it is the one of these columns.
with erased as (

    select
        array_agg(user_hash) as hashes,
        md5(string_agg(user_hash, ',' order by user_hash)) as digest
    from ops.erased_users

)

select
    same_bytes.file_id as original_id,
    same_bytes.source_filename as original_name,
    same_name.file_id as older_id,
    twin.source_filename as twin,
    exists (
        select from ops.raw_ingest_manifest as retracted
        where
            retracted.target_schema = :target_schema
            and retracted.source = asked.source
            and retracted.checksum = asked.checksum
            and retracted.person is not distinct from asked.person
            and retracted.status = 'retracted'
    ) as is_retracted,
    -- once, and only where they are not those that were read before
    case when asked.place = 1 and erased.digest is distinct from :known_erased then erased.hashes end as erased,
    erased.digest as erased_digest
from
    unnest(:datasets::text [], :filenames::text [], :persons::text [], :parts::text [], :checksums::text [])
    with ordinality as asked (source, source_filename, person, part, checksum, place)
cross join erased
left join lateral (
    select
        m.file_id,
        m.source_filename
    from ops.raw_ingest_manifest as m
    where
        m.target_schema = :target_schema
        and m.source = asked.source
        and m.checksum between asked.checksum and asked.checksum
        and m.person is not distinct from asked.person
        and m.part is not distinct from asked.part
        and m.status = 'loaded'
    order by m.checksum
    limit 1
) as same_bytes on true
left join lateral (
    select m.file_id
    from ops.raw_ingest_manifest as m
    where
        m.target_schema = :target_schema
        and m.source = asked.source
        and m.source_filename between asked.source_filename and asked.source_filename
        and m.status = 'loaded'
    order by m.source_filename
    limit 1
) as same_name on true
left join lateral (
    select m.source_filename
    from ops.raw_ingest_manifest as m
    where
        m.target_schema = :target_schema
        and m.source = asked.source
        and m.checksum between asked.checksum and asked.checksum
        and m.person is distinct from asked.person
        and m.status = 'loaded'
    order by m.checksum, m.file_id
    limit 1
) as twin on true
order by asked.place;

-- name: files_to_compare(target_schema)
-- the files whose bytes are not loaded again, and the state in which duplicates were
select
    status,
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
where
    target_schema = :target_schema
    and (status in ('loaded', 'retracted') or (status = 'duplicate' and source_version is not null));

-- name: reserve(names, with_claims)
-- a claim is held until the transaction ends
select
    claimed.is_claimed,
    case when claimed.is_claimed then nextval(pg_get_serial_sequence('ops.raw_ingest_manifest', 'file_id')) end
        as file_id
from unnest(:names::text []) with ordinality as asked (name, place)
cross join lateral (
    select
        case when :with_claims then pg_try_advisory_xact_lock(hashtextextended(asked.name, 0)) else true end
            as is_claimed
    -- evaluated once
    offset 0
) as claimed
order by asked.place;

-- name: record_loaded(files, run_id)!
insert into ops.raw_ingest_manifest (
    file_id, source_filename, person, part, checksum, status, source, target_schema, size_bytes, source_version,
    rows_read, row_count, rows_rejected, rows_blank, rows_erased, run_id, header, dialect, remarks, device
)
select
    file_id,
    source_filename,
    person,
    part,
    checksum,
    'loaded',
    source,
    target_schema,
    size_bytes,
    source_version,
    rows_read,
    row_count,
    rows_rejected,
    rows_blank,
    rows_erased,
    :run_id,
    header,
    dialect,
    remarks,
    device
from jsonb_populate_recordset(null::ops.raw_ingest_manifest, :files);

-- name: certain_date_orders(target_schema, dataset)
-- the orders of dates that loaded files left no doubt about, by their folders
select distinct
    substring(source_filename from '^(?:.*/)?') as folder,
    dialect ->> 'date_order' as date_order
from ops.raw_ingest_manifest
where
    target_schema = :target_schema
    and source = :dataset
    and status = 'loaded'
    and (dialect ->> 'is_date_order_certain')::boolean;

-- name: record_not_loaded(files, run_id)!
insert into ops.raw_ingest_manifest as known (
    source_filename, person, part, checksum, status, source, target_schema, size_bytes, source_version,
    duplicate_of, run_id, reason
)
select
    source_filename,
    person,
    part,
    checksum,
    status,
    source,
    target_schema,
    size_bytes,
    source_version,
    duplicate_of,
    :run_id,
    reason
from jsonb_populate_recordset(null::ops.raw_ingest_manifest, :files)
on conflict (target_schema, source, source_filename, checksum, status)
where status in ('duplicate', 'refused')
do update
    set
        ingested_at = excluded.ingested_at,
        duplicate_of = excluded.duplicate_of,
        run_id = excluded.run_id,
        reason = excluded.reason,
        source_version = coalesce(excluded.source_version, known.source_version);

-- name: remember_versions(file_ids, versions)!
update ops.raw_ingest_manifest as m
set source_version = v.source_version
from unnest(:file_ids::bigint[], :versions::text[]) as v (file_id, source_version)
where m.file_id = v.file_id and m.status = 'loaded';

-- name: mark_replaced(file_ids)!
update ops.raw_ingest_manifest
set status = 'replaced'
where file_id = any(:file_ids);

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
