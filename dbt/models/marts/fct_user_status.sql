{% set slope_days = 28 %}
{# the days before as_of_date that count: the longest window less one #}
{% set look_back = [var('recent_days') + var('base_days'), slope_days] | max - 1 %}
{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    indexes=[{'columns': ['as_of_date']}],
    pre_hook="{% if is_incremental() %}{{ delete_days_after(this, 'as_of_date', ref('int_as_of')) }}{% endif %}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'looks_back_days': look_back,
        'replaces': 't.as_of_date between c.from_date and c.until_date',
    },
) }}

{#
    Every user has a row a day up to the as-of date, also after the last record. The two windows are slices of the user's
    array of steps, as in int_user_day_baseline.
#}
{% set absent = -(2 ** 40) %}
with changed_user as materialized (
    {{ users_changed_until(look_back) }}
),

-- whose days are to be built: those that changed, and those since the last row
user_extent as (

    {% if is_incremental() %}
    select
        latest.user_id,
        latest.first_date,
        latest.last_date,
        built.until_date as built_until_date,
        changed_user.from_date as changed_from_date,
        changed_user.until_date as changed_until_date,
        greatest(
            latest.first_date,
            least(changed_user.from_date, coalesce(built.until_date + 1, '-infinity')) - {{ look_back }}
        ) as begin_date,
        case
            when built.until_date >= as_of.as_of_date then least(changed_user.until_date, as_of.as_of_date)
            else as_of.as_of_date
        end as end_date
    from ({{ user_extents() }}) as latest
    cross join {{ ref('int_as_of') }} as as_of
    left join changed_user on latest.user_id = changed_user.user_id
    left join lateral (
        select max(status.as_of_date) as until_date
        from {{ this }} as status
        where status.user_id = latest.user_id
    ) as built on true
    where changed_user.user_id is not null or coalesce(built.until_date, '-infinity') < as_of.as_of_date
    {% else %}
    select
        changed_user.user_id,
        changed_user.first_date,
        changed_user.last_date,
        date 'infinity' as built_until_date,
        changed_user.from_date as changed_from_date,
        changed_user.until_date as changed_until_date,
        changed_user.first_date as begin_date,
        as_of.as_of_date as end_date
    from changed_user
    cross join {{ ref('int_as_of') }} as as_of
    where changed_user.first_date is not null
    {% endif %}

),

begun as (

    {% if is_incremental() %}
    select
        user_extent.*,
        -- else the row is from before the first day moved
        case when user_extent.first_date < user_extent.begin_date then day_before.last_valid_date end
            as former_valid_date
    from user_extent
    left join {{ this }} as day_before
        on user_extent.user_id = day_before.user_id and day_before.as_of_date = user_extent.begin_date - 1
    {% else %}
    select
        *,
        null::date as former_valid_date
    from user_extent
    {% endif %}

),

-- fct_user_day has each day up to the last record
amount as (

    select
        changed_user.*,
        day.activity_date as as_of_date,
        case when day.is_valid_day then day.steps end as steps
    {% if is_incremental() %}
    from {{ changed_days(ref('fct_user_day'), 'changed_user.begin_date', 'changed_user.end_date', 'begun') }} as day
    {% else %}
    from begun as changed_user
    inner join {{ ref('fct_user_day') }} as day
        on changed_user.user_id = day.user_id and changed_user.end_date >= day.activity_date
    {% endif %}

    union all

    select
        changed_user.*,
        changed_user.last_date + later as as_of_date,
        null as steps
    from begun as changed_user
    cross join lateral generate_series(
        greatest(1, changed_user.begin_date - changed_user.last_date), changed_user.end_date - changed_user.last_date
    ) as later

),

placed as (

    select
        *,
        case when steps is not null then as_of_date - first_date end as x,
        as_of_date > coalesce(built_until_date, '-infinity')
        or coalesce(as_of_date between changed_from_date and changed_until_date, false) as is_wanted
    from amount

),

summed as (

    select
        *,
        coalesce(max(as_of_date) filter (where steps is not null) over until_day, former_valid_date) as last_valid_date,
        count(steps) over slope as n,
        sum(x) over slope as sum_x,
        sum(x * x) over slope as sum_xx,
        sum(steps) over slope as sum_y,
        sum(x * steps) over slope as sum_xy
    from placed
    window
        until_day as (
            partition by user_id order by as_of_date
            rows between unbounded preceding and current row
        ),
        slope as (
            partition by user_id order by as_of_date
            rows between {{ slope_days - 1 }} preceding and current row
        )

),

-- apart from the other windows: only the topmost one does not copy what it reads, and the array is long
series as (

    select
        *,
        (row_number() over all_days)::int as day_number,
        array_agg(coalesce(steps, {{ absent }})) over all_days as steps_series
    from summed
    window
        all_days as (
            partition by user_id order by as_of_date
            rows between unbounded preceding and unbounded following
        )

),

-- order by: as in int_user_day_baseline
sorted as (

    select
        *,
        intermediate.array_sorted(
            steps_series[day_number - {{ var('recent_days') - 1 }}:day_number]
        ) as recent_sorted,
        intermediate.array_sorted(
            steps_series[day_number - {{ var('recent_days') + var('base_days') - 1 }}:day_number - {{ var('recent_days') }}]
        ) as base_sorted
    from series
    where is_wanted
    order by user_id, as_of_date

),

counted as (

    select
        *,
        cardinality(recent_sorted) - width_bucket({{ absent }}, recent_sorted) as recent_valid_days,
        cardinality(base_sorted) - width_bucket({{ absent }}, base_sorted) as base_valid_days
    from sorted
    order by user_id, as_of_date

),

measured as (

    select
        user_id,
        as_of_date,
        recent_valid_days,
        base_valid_days,
        last_valid_date,
        case
            when recent_valid_days > 0
                then {{ twice_median('recent_sorted', 'recent_valid_days') }} / 2.0::double precision
        end as recent_median_steps,
        case
            when base_valid_days >= {{ var('min_baseline_days') }}
                then {{ twice_median('base_sorted', 'base_valid_days') }} / 2.0::double precision
        end as base_median_steps,
        case
            when n >= {{ var('min_baseline_days') }}
                then (n * sum_xy - sum_x * sum_y)::double precision / nullif(n * sum_xx - sum_x * sum_x, 0)
        end as slope_28d
    from counted
    order by user_id, as_of_date

),

compared as (

    select
        *,
        recent_median_steps / nullif(base_median_steps, 0) as median_ratio
    from measured

)

select
    user_id,
    as_of_date,
    case
        when base_valid_days < {{ var('min_baseline_days') }} then 'insufficient_baseline'
        when recent_valid_days = 0 then 'lapsed'
        when recent_valid_days <= {{ var('disengaging_max_valid_days') }} then 'disengaging'
        when median_ratio < {{ var('declining_below_ratio') }} then 'declining'
        when median_ratio > {{ var('increasing_above_ratio') }} then 'increasing'
        else 'stable'
    end as status,
    recent_valid_days,
    base_valid_days,
    recent_median_steps,
    base_median_steps,
    median_ratio,
    slope_28d,
    last_valid_date,
    as_of_date - last_valid_date as days_since_last_valid_day
from compared
