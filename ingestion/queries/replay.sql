-- name: files_to_replay(target_schema, source_filename)
select
    file_id,
    source,
    header,
    dialect
from ops.raw_ingest_manifest
where
    target_schema = :target_schema
    and source_filename = :source_filename
    and status = 'loaded'
    and header is not null
order by file_id;

-- name: rejected_of(file_id)
select
    line_number,
    raw_line
from ops.rejected_rows
where file_id = :file_id
order by line_number;

-- name: delete_loaded(file_id, lines)!
delete from ops.rejected_rows
where file_id = :file_id and line_number = any(:lines);

-- name: update_reason(file_id, line, reason, column_name)!
update ops.rejected_rows
set reason = :reason, column_name = :column_name
where
    file_id = :file_id
    and line_number = :line
    and (reason, column_name) is distinct from (:reason, :column_name);

-- name: count_replayed(file_id, rows)!
update ops.raw_ingest_manifest
set row_count = row_count + :rows, rows_rejected = rows_rejected - :rows
where file_id = :file_id;
