-- a draft of the column that recognition brings; dropped at the merge
alter table ops.raw_ingest_manifest add column device text;
