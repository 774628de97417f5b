alter table raw.daily_activity alter column user_id type text collate "C" using user_id::text;
alter table raw.sleep alter column user_id type text collate "C" using user_id::text;
alter table raw.hourly_steps alter column user_id type text collate "C" using user_id::text;
alter table raw.heart_rate alter column user_id type text collate "C" using user_id::text;
alter table raw.weight alter column user_id type text collate "C" using user_id::text;
