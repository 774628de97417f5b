alter table raw.sleep
add column total_minutes_awake integer,
add column total_minutes_light integer,
add column total_minutes_deep integer,
add column total_minutes_rem integer,
add constraint sleep_stages_in_range check (
    least(total_minutes_awake, total_minutes_light, total_minutes_deep, total_minutes_rem) >= 0
    and greatest(total_minutes_awake, total_minutes_light, total_minutes_deep, total_minutes_rem) <= 1440
);

comment on column raw.sleep.total_minutes_awake is
'Minutes awake in bed. The four columns of stages are null where the export has no stages.';
