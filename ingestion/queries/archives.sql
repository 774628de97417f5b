-- name: known()
select
    source_filename,
    source_version,
    members
from ops.archives;

-- name: packed(target_schema)
-- archives that were loaded as one file
select distinct source_filename
from ops.raw_ingest_manifest
where
    target_schema = :target_schema and status = 'loaded' and source_filename ~* '\.(zip|tar|tar\.gz|tgz|xlsx)$'
    and strpos(source_filename, '!/') = 0;

-- name: remember(names, versions, members)!
insert into ops.archives (source_filename, source_version, members)
select
    archive.source_filename,
    archive.source_version,
    found.value
from unnest(:names::text [], :versions::text []) with ordinality as archive (source_filename, source_version, place)
inner join jsonb_array_elements(:members::jsonb) with ordinality as found (value, place) on archive.place = found.place
on conflict (source_filename) do update
    set
        source_version = excluded.source_version,
        members = excluded.members,
        listed_at = clock_timestamp();

-- name: duplicate_versions(target_schema)
select
    source_filename,
    source_version,
    checksum
from ops.raw_ingest_manifest
where target_schema = :target_schema and status = 'duplicate' and source_version is not null;
