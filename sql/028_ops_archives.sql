create table ops.archives (
    source_filename text primary key,
    source_version text not null,
    members jsonb not null,
    listed_at timestamptz not null default clock_timestamp()
);

comment on table ops.archives is
'What archives of many files have in them, so that an unchanged one is not opened again. Grain: archive.';
comment on column ops.archives.source_version is 'The size of the archive, and the landing zone''s token of it.';
comment on column ops.archives.members is
'The number of unpacked bytes of each member, by its name in the archive; empty where it is one packed file.';
