create table raw.participants (
    user_id text collate "C" not null,
    enrolled_on date,
    ends_on date,
    withdrawn_on date,
    arm text,
    site text,
    time_zone text,
    device text,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time()
);

comment on table raw.participants is
'The roster: who takes part, since and until when. One row a participant and file; overlaps are kept.';
comment on column raw.participants.ends_on is 'The last planned day of the participant.';
comment on column raw.participants.withdrawn_on is
'The day on which the participant left the study; null for who did not.';
comment on column raw.participants.time_zone is 'Name of the IANA database, such as Europe/Zurich.';
comment on column raw.participants._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';

create table raw.identifiers (
    identifier text collate "C" not null,
    user_id text collate "C" not null,
    _file_id bigint not null default ops.loading_file_id(),
    _loaded_at timestamptz not null default ops.loading_time()
);

comment on table raw.identifiers is
'What exports call a participant: one row an identifier, participant and file. Overlaps are kept.';
comment on column raw.identifiers.identifier is
'Who a file says that its rows are of: user_id of the other raw tables.';
comment on column raw.identifiers._file_id is 'ops.raw_ingest_manifest.file_id of the file it came from.';
