-- name: shared_contents(target_schema, rows_of_chance)
-- a content is loaded once for a participant, so that several files with it have several participants
select
    source as dataset,
    checksum,
    min(rows_read - rows_blank) as rows_filled,
    array_agg(source_filename order by file_id) as filenames
from ops.raw_ingest_manifest
where
    target_schema = :target_schema
    and status = 'loaded'
    and rows_read - rows_blank > :rows_of_chance
group by source, checksum
having count(*) > 1
order by source, min(file_id);
