create table ops.digests (
    week_of date not null,
    channel text not null,
    run_id uuid,
    claimed_at timestamptz,
    attempts integer not null default 1 check (attempts > 0),
    as_of_date date,
    sent_at timestamptz,
    error text,
    primary key (week_of, channel)
);

comment on table ops.digests is
'Weekly digests: who sends one or has sent it, so that each channel gets one a week. Grain: week, channel.';
comment on column ops.digests.week_of is 'The day of the weekday that the setting names.';
comment on column ops.digests.run_id is 'The run that claimed it last; null where a person sent it.';
comment on column ops.digests.claimed_at is
'When somebody began to send it; null where that has failed. An old one is of a process that has died.';
comment on column ops.digests.as_of_date is 'The day that the marts described.';
comment on column ops.digests.error is 'Why the last attempt failed: one redacted line.';
