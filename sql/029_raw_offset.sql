-- as ops.loading_file_id(): worked out once for a load
create function ops.loading_offset() returns smallint
language sql immutable parallel restricted
as $$ select nullif(current_setting('ingest.offset', true), '')::smallint $$;

comment on function ops.loading_offset() is
'The offset of the times of the file that this transaction loads, where they have none: the setting ingest.offset.';

alter table raw.hourly_steps
add column _offset smallint check (_offset between -720 and 840 or _offset = 1440);

alter table raw.heart_rate
add column _offset smallint check (_offset between -720 and 840 or _offset = 1440);

alter table raw.weight
add column _offset smallint check (_offset between -720 and 840 or _offset = 1440);

alter table raw.sleep_records
add check (_offset between -720 and 840 or _offset = 1440);

alter table raw.minute_activity
add check (_offset between -720 and 840 or _offset = 1440);

alter table raw.hourly_steps alter column _offset set default ops.loading_offset();
alter table raw.heart_rate alter column _offset set default ops.loading_offset();
alter table raw.weight alter column _offset set default ops.loading_offset();
alter table raw.sleep_records alter column _offset set default ops.loading_offset();
alter table raw.minute_activity alter column _offset set default ops.loading_offset();

comment on column raw.hourly_steps._offset is
'Minutes east of UTC of the clock of activity_hour; null where the file says none; 1440 where it is UTC''s.';
comment on column raw.heart_rate._offset is
'Minutes east of UTC of the clock that measured_at is of; null where the file says none; 1440 where it is UTC''s.';
comment on column raw.weight._offset is
'Minutes east of UTC of the clock that weighed_at is of; null where the file says none; 1440 where it is UTC''s.';

comment on column raw.hourly_steps.activity_hour is
'The hour''s beginning as the file has it: in the device''s local time, unless _offset says otherwise.';
comment on column raw.heart_rate.measured_at is
'As the file has it: in the device''s local time, unless _offset says otherwise.';
comment on column raw.weight.weighed_at is
'As the file has it: in the device''s local time, unless _offset says otherwise. 11:59:59 PM: only the day was given.';

comment on column raw.sleep_records._offset is
'Minutes east of UTC of the clock that started_at is of; null where the file says none; 1440 where it is UTC''s.';
comment on column raw.minute_activity._offset is
'Minutes east of UTC of the clock of activity_minute; null where the file says none; 1440 where it is UTC''s.';
comment on column raw.minute_activity.activity_minute is
'The minute''s beginning as the file has it: in the device''s local time, unless _offset says otherwise.';
