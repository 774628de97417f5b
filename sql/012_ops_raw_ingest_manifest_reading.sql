alter table ops.raw_ingest_manifest
add column header jsonb,
add column dialect jsonb;

comment on column ops.raw_ingest_manifest.header is
'The headers of the file in its order, so that a rejected row can be judged again without the file.';
comment on column ops.raw_ingest_manifest.dialect is
'How the file is written: format, delimiter, quote.';

alter table ops.rejected_rows
drop constraint rejected_rows_reason_check;

alter table ops.rejected_rows
add constraint rejected_rows_reason_check
check (reason in (
    'too_few_fields', 'too_many_fields', 'not_castable', 'out_of_range', 'missing_key',
    'undecodable', 'nul_byte', 'unclosed_quote', 'stray_carriage_return', 'not_json'
));
