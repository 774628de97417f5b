-- What somebody was told, so that the next list can say what is new and what is over. No figures: the mart has them.
create table ops.follow_up_lists (
    list_id bigint generated always as identity primary key,
    told_by text not null check (told_by in ('report', 'digest')),
    as_of_date date not null,
    run_id uuid not null,
    told_at timestamptz not null default clock_timestamp(),
    unique (told_by, as_of_date)
);

create table ops.follow_up_entries (
    list_id bigint not null references ops.follow_up_lists on delete cascade,
    user_id text not null,
    reason text not null,
    primary key (list_id, user_id)
);

comment on table ops.follow_up_lists is
'The follow-up lists of the last 60 days that a report or a digest has shown. Grain: told_by, as_of_date.';
comment on column ops.follow_up_lists.told_by is 'What showed it: report or digest.';
comment on column ops.follow_up_lists.as_of_date is 'The day that the marts described.';
comment on column ops.follow_up_lists.run_id is 'The run that stored it last.';
comment on table ops.follow_up_entries is
'Who was on a follow-up list, and why. `erase` deletes them. Grain: list, participant.';
comment on column ops.follow_up_entries.reason is 'As in marts.rpt_follow_up.';
