-- the rows of a file lie side by side: some kilobytes tell where, and dbt reads only the files that are new
create index heart_rate_file_id on raw.heart_rate using brin (_file_id);
