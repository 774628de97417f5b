-- name: prepare(file_id, datestyle, offset)^
-- for this transaction: what the column defaults of the raw tables read, and how dates are parsed
select
    set_config('ingest.file_id', :file_id, true) as file_id,
    set_config('ingest.offset', :offset, true) as offset_minutes,
    set_config('datestyle', :datestyle, true) as datestyle;

-- name: set_datestyle(datestyle)$
select set_config('datestyle', :datestyle, true);

-- name: quarantine_bad(file_id, run_id)!
insert into ops.rejected_rows (file_id, line_number, column_name, reason, raw_line, run_id)
select
    :file_id,
    b.line,
    b.column_name,
    b.reason,
    convert_to(i.raw, 'UTF8'),
    :run_id
from bad_row as b
inner join incoming as i on b.line = i.line
order by b.line;

-- name: bad_rows()
select
    line,
    reason,
    column_name
from bad_row;

-- name: count_bad_rows()
select
    column_name,
    reason,
    count(*) as row_count
from bad_row
group by column_name, reason;

-- name: copy_bundle()
-- one message: a round trip to a distant server costs more than a small file
savepoint bundle;
select
    set_config('ingest.offset', {offset}, true) as offset_minutes,
    set_config('datestyle', {datestyle}, true) as datestyle;
copy {table} ({columns}) from stdin ({options});
