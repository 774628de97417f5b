{{ config(materialized='view', meta={'distribution': 'user_id'}) }}

-- A view: the roster is joined when it is read, so a correction of it builds no day again.
with user_day as (

    select
        status.user_id,
        status.as_of_date,
        status.recent_valid_days,
        status.base_valid_days,
        status.recent_median_steps,
        status.base_median_steps,
        status.wear_hours_ratio,
        status.last_valid_date,
        status.last_worn_date,
        status.has_stopped,
        status.start_valid_days,
        status.start_median_steps,
        status.start_wear_rate,
        status.cusum_down,
        status.cusum_up,
        status.cusum_wear,
        status.is_declining,
        status.is_increasing,
        status.is_wearing_less,
        status.down_since,
        status.up_since,
        status.wear_since,
        least(listed.enrolled_on, extent.first_date) as begin_date,
        listed.ends_on,
        listed.withdrawn_on
    from {{ ref('int_user_day_status') }} as status
    left join {{ ref('int_user_extent') }} as extent on status.user_id = extent.user_id
    left join {{ ref('stg_participants') }} as listed on status.user_id = listed.user_id

    union all

    -- the days before the first record, of everybody on the roster
    select
        listed.user_id,
        beginning.begin_date + later as as_of_date,
        0::smallint as recent_valid_days,
        0::smallint as base_valid_days,
        null::real as recent_median_steps,
        null::real as base_median_steps,
        null::double precision as wear_hours_ratio,
        null::date as last_valid_date,
        null::date as last_worn_date,
        false as has_stopped,
        0::smallint as start_valid_days,
        null::real as start_median_steps,
        null::double precision as start_wear_rate,
        0::double precision as cusum_down,
        0::double precision as cusum_up,
        0::double precision as cusum_wear,
        false as is_declining,
        false as is_increasing,
        false as is_wearing_less,
        null::date as down_since,
        null::date as up_since,
        null::date as wear_since,
        beginning.begin_date,
        listed.ends_on,
        listed.withdrawn_on
    from {{ ref('stg_participants') }} as listed
    left join {{ ref('int_user_extent') }} as extent on listed.user_id = extent.user_id
    cross join {{ ref('int_as_of') }} as as_of
    cross join lateral (
        select coalesce(least(listed.enrolled_on, extent.first_date), as_of.study_first_date) as begin_date
    ) as beginning
    cross join lateral generate_series(0, least(as_of.as_of_date, extent.first_date - 1) - beginning.begin_date) as later

),

dated as (

    select
        *,
        as_of_date - last_valid_date as days_since_last_valid_day,
        as_of_date - last_worn_date as days_since_last_worn,
        as_of_date - last_valid_date >= {{ var('recent_days') }} as has_no_valid_day
    from user_day

),

judged as (

    select
        *,
        case
            when as_of_date > withdrawn_on and withdrawn_on <= coalesce(ends_on, 'infinity') then 'withdrawn'
            when as_of_date > ends_on then 'completed'
            when last_worn_date is null and as_of_date - begin_date >= {{ var('never_started_after_days') }}
                then 'never_started'
            when has_stopped then 'stopped'
            when is_wearing_less or has_no_valid_day or wear_hours_ratio < {{ var('worn_less_below') }} then 'wearing_less'
            when start_valid_days < {{ var('min_start_days') }} then 'new'
            when is_declining and (cusum_down >= cusum_up or not is_increasing) then 'declining'
            when is_increasing then 'increasing'
            else 'stable'
        end as status
    from dated

)

select
    user_id,
    as_of_date,
    status,
    case
        when status = 'wearing_less'
            then case when is_wearing_less then 'fewer_days' when has_no_valid_day then 'no_valid_day' else 'fewer_hours' end
    end as wearing_less_by,
    case status
        when 'withdrawn' then withdrawn_on + 1
        when 'completed' then ends_on + 1
        when 'never_started' then begin_date
        when 'stopped' then last_worn_date + 1
        when 'wearing_less' then case when is_wearing_less then wear_since when has_no_valid_day then last_valid_date + 1 end
        when 'new' then begin_date
        when 'declining' then down_since
        when 'increasing' then up_since
    end as since_date,
    recent_median_steps::double precision / nullif(start_median_steps, 0) as vs_start,
    recent_median_steps::double precision / nullif(base_median_steps, 0) as vs_recent,
    case status
        when 'stopped' then days_since_last_worn
        when 'wearing_less'
            then
                case
                    when is_wearing_less then cusum_wear
                    when has_no_valid_day then days_since_last_valid_day
                    else wear_hours_ratio
                end
        when 'new' then start_valid_days
        when 'declining' then cusum_down
        when 'increasing' then cusum_up
        when 'stable' then greatest(cusum_down, cusum_up)
    end::double precision as evidence,
    case status
        when 'stopped'
            then
                case
                    when days_since_last_worn >= {{ var('recent_days') }} then {{ var('recent_days') }}
                    else {{ var('stopped_after_days') }}
                end
        when 'wearing_less'
            then
                case
                    when is_wearing_less then {{ var('wear_on') }}
                    when has_no_valid_day then {{ var('recent_days') }}
                    else {{ var('worn_less_below') }}
                end
        when 'new' then {{ var('min_start_days') }}
        when 'declining' then {{ var('cusum_on') }}
        when 'increasing' then {{ var('cusum_on') }}
        when 'stable' then {{ var('cusum_on') }}
    end::double precision as threshold,
    recent_valid_days::int as recent_valid_days,
    base_valid_days::int as base_valid_days,
    recent_median_steps::double precision as recent_median_steps,
    base_median_steps::double precision as base_median_steps,
    start_median_steps::double precision as start_median_steps,
    start_valid_days::int as start_valid_days,
    cusum_down,
    cusum_up,
    cusum_wear,
    start_wear_rate,
    wear_hours_ratio,
    last_valid_date,
    days_since_last_valid_day,
    last_worn_date,
    days_since_last_worn
from judged
