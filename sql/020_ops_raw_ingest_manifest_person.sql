-- As text and as written: 007 and 7 may be two persons. Null where the path names nobody, or several.
alter table ops.raw_ingest_manifest
add column person text;

comment on column ops.raw_ingest_manifest.person is
'The person that source_filename names as user_id=NUMBER, as it is written there; null where it names nobody.';

update ops.raw_ingest_manifest as m
set person = named.person
from (
    select
        manifest.file_id,
        min(found.match[1]) as person
    from
        ops.raw_ingest_manifest as manifest,
        regexp_matches(
            manifest.source_filename, '(?:^|[/ ._-])user_id=([0-9]{1,18})(?=[/ ._-]|$)', 'g'
        ) as found (match)
    group by manifest.file_id
    having count(distinct found.match[1]) = 1
) as named
where m.file_id = named.file_id;

-- exactly once, for each person: the same bytes in the folders of two persons are the data of both
drop index ops.raw_ingest_manifest_loaded_checksum;

create unique index raw_ingest_manifest_loaded_checksum
on ops.raw_ingest_manifest (target_schema, source, checksum, person) nulls not distinct
where status = 'loaded';
