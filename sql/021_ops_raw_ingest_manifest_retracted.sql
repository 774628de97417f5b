-- each file looks its content up among the retracted ones, in its own transaction
create index raw_ingest_manifest_retracted
on ops.raw_ingest_manifest (target_schema, source, checksum)
where status = 'retracted';
