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
    from {{ ref('stg_pipeline__file') }}
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

resolved as (
    {% for source_name in ['daily_activity', 'sleep', 'hourly_steps'] %}
    select
        '{{ source_name }}' as source_name,
        coalesce(sum(raw_rows), 0) as rows_in,
        count(*) as rows_out,
        coalesce(sum(raw_rows - 1), 0) as rows_deduplicated,
        count(*) filter (where has_conflict) as overlap_conflicts
    from {{ ref('stg_fitbit__' ~ source_name) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

user_extent as (
    {{ user_extents() }}
),

matched as (

    select
        count(*) as rows_in,
        count(*) filter (where sleep.sleep_date between user_extent.first_date and user_extent.last_date) as rows_out
    from {{ ref('stg_fitbit__sleep') }} as sleep
    left join user_extent on sleep.user_id = user_extent.user_id

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
        rows_in,
        rows_out,
        rows_in - rows_out as rows_rejected,
        0 as rows_deduplicated,
        0 as overlap_conflicts
    from matched

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
