create table ops.report_key (
    key bytea not null check (octet_length(key) = 32),
    is_only boolean primary key default true check (is_only)
);

comment on table ops.report_key is
'What the pseudonyms of reports are made with, so that they stay the same and no list of ids gives them away. '
'Grain: one row.';
comment on column ops.report_key.key is 'Random, made here; it leaves the database in no other way than a backup.';

-- two random UUIDs are 244 bits that nobody can guess; pgcrypto may not be there
insert into ops.report_key (key)
values (sha256(decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')));

do $$
begin
    if to_regrole('wearables_transformer') is not null then
        revoke select on ops.report_key from wearables_transformer;
    end if;
    if to_regrole('wearables_loader') is not null then
        revoke insert, update, delete on ops.report_key from wearables_loader;
    end if;
end
$$;
