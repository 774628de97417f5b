create table ops.rejected_rows (
    rejected_row_id bigint generated always as identity primary key,
    file_id bigint not null references ops.raw_ingest_manifest (file_id) deferrable initially deferred,
    line_number bigint not null,
    column_name text,
    reason text not null
    check (reason in (
        'too_few_fields', 'too_many_fields', 'not_castable', 'out_of_range', 'missing_key',
        'undecodable', 'nul_byte', 'unclosed_quote', 'stray_carriage_return'
    )),
    raw_line bytea not null,
    rejected_at timestamptz not null default now(),
    run_id uuid
);

create index rejected_rows_file_id on ops.rejected_rows (file_id);

comment on table ops.rejected_rows is
'Quarantine: rows refused at load, kept as they came. Grain: row of a file.';
comment on column ops.rejected_rows.line_number is
'Physical line of the file where the row begins; the header is line 1.';
comment on column ops.rejected_rows.column_name is 'First column that did not fit, where the reason has one.';
comment on column ops.rejected_rows.raw_line is 'The bytes of the row as they came, without the line ending.';
