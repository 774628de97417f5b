{# Every activity record is in fct_user_day once. #}
with found as (

    select
        (select count(*) from {{ ref('fct_user_day') }} where has_record) as records,
        (select count(*) from {{ ref('stg_fitbit__daily_activity') }}) as expected_records,
        (select coalesce(sum(valid_days), 0) from {{ ref('fct_user_week_engagement') }}) as valid_days,
        (select count(*) from {{ ref('fct_user_day') }} where is_valid_day) as expected_valid_days

)

select *
from found
where records <> expected_records or valid_days <> expected_valid_days
