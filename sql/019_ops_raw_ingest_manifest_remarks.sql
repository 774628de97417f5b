alter table ops.raw_ingest_manifest
add column remarks jsonb not null default '[]';

comment on column ops.raw_ingest_manifest.remarks is
'What was assumed to load the file, why, and what to do if it is wrong: a list of objects.';
comment on column ops.raw_ingest_manifest.dialect is
'How the file is written: format, delimiter, quote, line end, order of dates with its evidence, marks in numbers.';

alter table ops.rejected_rows
drop constraint rejected_rows_reason_check;

alter table ops.rejected_rows
add constraint rejected_rows_reason_check
check (reason in (
    'too_few_fields', 'too_many_fields', 'not_castable', 'out_of_range', 'missing_key',
    'undecodable', 'nul_byte', 'unclosed_quote', 'stray_quote', 'stray_carriage_return', 'not_json'
));
