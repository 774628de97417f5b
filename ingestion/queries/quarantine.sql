-- name: record()!
insert into ops.rejected_rows (file_id, line_number, column_name, reason, raw_line, run_id)
values %s;

-- name: by_file(target_schema)
select
    m.source_filename,
    m.source,
    r.reason,
    r.column_name,
    count(*) as rows_rejected,
    min(r.line_number) as first_line,
    max(r.rejected_at) as rejected_at
from ops.rejected_rows as r
inner join ops.raw_ingest_manifest as m on r.file_id = m.file_id
where m.status = 'loaded' and m.target_schema = :target_schema
group by m.source_filename, m.source, r.reason, r.column_name
order by m.source_filename, m.source, rows_rejected desc, r.reason, r.column_name;

-- name: of_file(target_schema, source_filename)
select
    m.source,
    r.line_number,
    r.reason,
    r.column_name
from ops.rejected_rows as r
inner join ops.raw_ingest_manifest as m on r.file_id = m.file_id
where
    m.status = 'loaded'
    and m.target_schema = :target_schema
    and m.source_filename = :source_filename
order by m.source, r.line_number;

-- name: raw_of_file(target_schema, source_filename)
select
    r.line_number,
    r.reason,
    r.column_name,
    r.raw_line
from ops.rejected_rows as r
inner join ops.raw_ingest_manifest as m on r.file_id = m.file_id
where
    m.status = 'loaded'
    and m.target_schema = :target_schema
    and m.source_filename = :source_filename
order by m.source, r.line_number;

-- name: faults(file_ids)
select
    file_id,
    reason,
    column_name,
    count(*) as rows_rejected
from ops.rejected_rows
where file_id = any(:file_ids)
group by file_id, reason, column_name
order by file_id, rows_rejected desc, reason, column_name;
