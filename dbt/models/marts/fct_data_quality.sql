{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['run_id', 'rule'],
    full_refresh=false,
    meta={'distribution': 'coordinator'},
) }}

{#
    Each count is taken in another place: loads from the manifest, dates from raw, days from staging. So it means something if
    they balance.
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
        sum(rows_staged) as rows_staged,
        sum(overlap_conflicts) as overlap_conflicts
    from {{ ref('int_user_month_rows') }}
    group by source_name

),

-- the day of a time in UTC is unknown without the participant's time zone
undated as (

    select
        file_user.source_name,
        sum(file_user.rows_in_utc) as rows_rejected
    from {{ ref('int_file_user') }} as file_user
    left join {{ ref('int_participant') }} as participant on file_user.user_id = participant.user_id
    where file_user.is_loaded and participant.time_zone is null
    group by file_user.source_name

),

resolved as (

    select
        dataset.source_name,
        dataset.grain,
        coalesce(counted.rows_in, 0) as rows_in,
        coalesce(counted.rows_out, 0) as rows_out,
        coalesce(counted.rows_staged, 0) as rows_staged,
        coalesce(counted.rows_in - counted.rows_out, 0) as rows_deduplicated,
        coalesce(counted.overlap_conflicts, 0) as overlap_conflicts
    from (values
        {% for dataset in var('datasets') %}
        ('{{ dataset.name }}', '{{ dataset.grain }}'){{ ',' if not loop.last }}
        {% endfor %}
    ) as dataset (source_name, grain)
    left join counted on dataset.source_name = counted.source_name

),

-- nights before the first or after the last activity record, or all nights if there is none
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
        resolved.rows_in + coalesce(undated.rows_rejected, 0) as rows_out,
        dated.rows_implausible as rows_rejected,
        0 as rows_deduplicated,
        0 as overlap_conflicts
    from dated
    inner join resolved on dated.source_name = resolved.source_name
    left join undated on dated.source_name = undated.source_name

    union all

    select
        resolved.source_name || '.known_day' as rule,
        resolved.rows_in + undated.rows_rejected as rows_in,
        resolved.rows_in as rows_out,
        undated.rows_rejected,
        0 as rows_deduplicated,
        0 as overlap_conflicts
    from resolved
    inner join undated on resolved.source_name = undated.source_name
    where undated.rows_rejected > 0

    union all

    select
        source_name || '.one_row_a_' || grain as rule,
        rows_in,
        rows_out,
        0 as rows_rejected,
        rows_deduplicated,
        overlap_conflicts
    from resolved

    union all

    select
        'sleep.between_first_and_last_activity' as rule,
        resolved.rows_staged as rows_in,
        resolved.rows_staged - unmatched.rows_rejected as rows_out,
        unmatched.rows_rejected,
        0 as rows_deduplicated,
        0 as overlap_conflicts
    from resolved
    cross join unmatched
    where resolved.source_name = 'sleep'

    union all

    select
        'daily_activity.agrees_with_hours' as rule,
        coalesce(sum(rows_in), 0) as rows_in,
        coalesce(sum(rows_out), 0) as rows_out,
        0 as rows_rejected,
        0 as rows_deduplicated,
        coalesce(sum(overlap_conflicts), 0) as overlap_conflicts
    from counted
    where source_name = '{{ days_and_hours() }}'

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
