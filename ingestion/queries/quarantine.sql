-- name: record()!
insert into ops.rejected_rows (file_id, line_number, column_name, reason, raw_line, run_id)
values %s;

-- name: reasons(file_id)
select
    reason,
    column_name,
    count(*) as rows_rejected
from ops.rejected_rows
where file_id = :file_id
group by reason, column_name
order by rows_rejected desc, reason, column_name;
