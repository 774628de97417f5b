{{ config(materialized='table', meta={'distribution': 'user_id'}) }}

select file_user.user_id
from {{ ref('int_file_user') }} as file_user
cross join string_to_table(file_user.devices, e'\n') as device
where
    file_user.is_loaded
    -- most studies have one device, which this finds out at less cost
    and exists (
        select 1
        from {{ ref('int_file_user') }} as other
        where
            other.is_loaded
            and other.devices <> (select one.devices from {{ ref('int_file_user') }} as one where one.is_loaded limit 1)
    )
group by file_user.user_id
having min(device) <> max(device)
