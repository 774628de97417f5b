{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['run_id', 'rule'],
    full_refresh=false,
    meta={'distribution': 'reference'},
) }}

{#
    Each count is taken where the rows are: the load from the manifest, the dates from raw, the days from staging. So that
    they balance says something.
#}
with loaded as (

    select
        source_name,
        sum(rows_read) as rows_read,
        sum(rows_rejected) as rows_rejected,
        sum(rows_loaded) as rows_loaded
    from {{ ref('stg_file') }}
    group by source_name

),

dated as (

    select
        source_name,
        sum(rows_raw) as rows_raw,
        sum(rows_implausible) as rows_implausible
    from {{ ref('int_file') }}
    where is_loaded
    group by source_name

),

counted as (

    select
        source_name,
        sum(rows_in) as rows_in,
        sum(rows_out) as rows_out,
        sum(overlap_conflicts) as overlap_conflicts
    from {{ ref('int_user_month_rows') }}
    group by source_name

),

resolved as (

    select
        source.source_name,
        coalesce(counted.rows_in, 0) as rows_in,
        coalesce(counted.rows_out, 0) as rows_out,
        coalesce(counted.rows_in - counted.rows_out, 0) as rows_deduplicated,
        coalesce(counted.overlap_conflicts, 0) as overlap_conflicts
    from (values ('daily_activity'), ('sleep'), ('hourly_steps')) as source (source_name)
    left join counted on source.source_name = counted.source_name

),

-- nights before the first or after the last activity record; all of them where there is none
unmatched as (

    select coalesce(sum(before_first.nights + after_last.nights), 0) as rows_rejected
    from {{ ref('int_user_extent') }} as extent
    cross join lateral (
        select count(*) as nights
        from {{ ref('stg_sleep') }} as sleep
        where sleep.user_id = extent.user_id and sleep.sleep_date < coalesce(extent.first_date, 'infinity')
    ) as before_first
    cross join lateral (
        select count(*) as nights
        from {{ ref('stg_sleep') }} as sleep
        where sleep.user_id = extent.user_id and sleep.sleep_date > extent.last_date
    ) as after_last

),

rule as (

    select
        source_name || '.load' as rule,
        rows_read as rows_in,
        rows_loaded as rows_out,
        rows_rejected,
        0 as rows_deduplicated,
        0 as overlap_conflicts
    from loaded

    union all

    select
        dated.source_name || '.plausible_date' as rule,
        dated.rows_raw as rows_in,
        resolved.rows_in as rows_out,
        dated.rows_implausible as rows_rejected,
        0 as rows_deduplicated,
        0 as overlap_conflicts
    from dated
    inner join resolved on dated.source_name = resolved.source_name

    union all

    select
        source_name || case source_name
            when 'hourly_steps' then '.one_row_a_user_and_hour'
            else '.one_row_a_user_and_day'
        end as rule,
        rows_in,
        rows_out,
        0 as rows_rejected,
        rows_deduplicated,
        overlap_conflicts
    from resolved

    union all

    select
        'sleep.between_first_and_last_activity' as rule,
        resolved.rows_out as rows_in,
        resolved.rows_out - unmatched.rows_rejected as rows_out,
        unmatched.rows_rejected,
        0 as rows_deduplicated,
        0 as overlap_conflicts
    from resolved
    cross join unmatched
    where resolved.source_name = 'sleep'

)

select
    '{{ run_label() }}'::text as run_id,
    rule,
    '{{ run_started_at }}'::timestamptz as checked_at,
    rows_in::bigint as rows_in,
    rows_out::bigint as rows_out,
    rows_rejected::bigint as rows_rejected,
    rows_deduplicated::bigint as rows_deduplicated,
    overlap_conflicts::bigint as overlap_conflicts
from rule
