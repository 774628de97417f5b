-- name: loaded_tables(target_schema)
select distinct source
from ops.raw_ingest_manifest
where
    target_schema = :target_schema
    and status = 'loaded'
    and to_regclass(format('%%I.%%I', target_schema, source)) is not null
order by source;

-- name: miscounts(target_schema, dataset)
select
    m.file_id,
    m.row_count as recorded,
    coalesce(r.row_count, 0) as found
from ops.raw_ingest_manifest as m
left join (
    select
        _file_id,
        count(*) as row_count
    from {table}
    group by _file_id
) as r on m.file_id = r._file_id
where
    m.target_schema = :target_schema
    and m.source = :dataset
    and m.status = 'loaded'
    and m.row_count <> coalesce(r.row_count, 0)
order by m.file_id;
