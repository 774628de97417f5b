-- name: prepare(file_id, datestyle)^
-- what the raw tables' column defaults and the date columns read, for this transaction
select
    set_config('ingest.file_id', :file_id, true) as file_id,
    set_config('datestyle', :datestyle, true) as datestyle;

-- name: set_datestyle(datestyle)$
select set_config('datestyle', :datestyle, true);

-- name: quarantine_misfits(file_id, run_id)!
insert into ops.rejected_rows (file_id, line_number, column_name, reason, raw_line, run_id)
select
    :file_id,
    m.line,
    m.column_name,
    m.reason,
    convert_to(i.raw, 'UTF8'),
    :run_id
from misfit as m
inner join incoming as i on m.line = i.line
order by m.line;
