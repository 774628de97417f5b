-- name: prepare(file_id, datestyle)^
-- what the raw tables' column defaults and the date columns read, for this transaction
select
    set_config('ingest.file_id', :file_id, true) as file_id,
    set_config('datestyle', :datestyle, true) as datestyle;

-- name: set_datestyle(datestyle)$
select set_config('datestyle', :datestyle, true);
