-- name: known()
select
    source_filename,
    source_version,
    members
from ops.archives;

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
