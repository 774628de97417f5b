{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{{ fill_changed_user() }}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': '(not old.is_final or old.anchor_end_date >= changed_user.from_date)',
    },
) }}

-- Reads the first days of each user and metric from the index instead of sorting all days. An anchor that is not final has all
-- days with the metric, so of the days before the change only those in the anchor are read again.
with {% for metric in var('metrics') %}
{% set days_that_count %}
            select
                user_day.activity_date,
                user_day.{{ metric.name }}::double precision as amount
            from {{ ref('fct_user_day') }} as user_day
            where
                user_day.user_id = changed_user.user_id
                and user_day.is_valid_day
                and user_day.{{ metric.name }} is not null
{%- endset %}
{{ metric.name }} as (

    select
        changed_user.user_id,
        first_day.activity_date,
        first_day.amount,
        '{{ metric.name }}' as metric
    from {{ changed_user() }}
    {% if is_incremental() %}
    left join {{ this }} as known
        on changed_user.user_id = known.user_id and known.metric = '{{ metric.name }}'
    {% endif %}
    left join lateral (
        {% if is_incremental() %}
        (
            {{- days_that_count }}
                and user_day.activity_date between known.anchor_start_date and known.anchor_end_date
                and user_day.activity_date < changed_user.from_date
        )
        union all
        {% endif %}
        (
            {{- days_that_count }}
                {% if is_incremental() %}
                and user_day.activity_date >= changed_user.from_date
                {% endif %}
            order by user_day.activity_date
            limit {{ var('anchor_days') }}
        )
        {% if is_incremental() %}
        order by activity_date
        limit {{ var('anchor_days') }}
        {% endif %}
    ) as first_day on true
    where
        changed_user.first_date is not null
        {% if is_incremental() %}
        and not coalesce(known.is_final and known.anchor_end_date < changed_user.from_date, false)
        {% endif %}

),

{% endfor %}
first_day as (

    {% for metric in var('metrics') %}
    select * from {{ metric.name }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

centre as (

    select
        user_id,
        metric,
        min(activity_date) as anchor_start_date,
        max(activity_date) as anchor_end_date,
        count(amount)::int as n_days,
        percentile_cont(0.5) within group (order by amount) as median
    from first_day
    group by user_id, metric

),

spread as (

    select
        centre.user_id,
        centre.metric,
        percentile_cont(0.5) within group (order by abs(first_day.amount - centre.median)) as mad
    from centre
    inner join first_day on centre.user_id = first_day.user_id and centre.metric = first_day.metric
    group by centre.user_id, centre.metric

)

select
    centre.user_id,
    centre.metric,
    centre.anchor_start_date,
    centre.anchor_end_date,
    centre.n_days,
    centre.median,
    spread.mad,
    centre.n_days = {{ var('anchor_days') }} as is_final
from centre
inner join spread on centre.user_id = spread.user_id and centre.metric = spread.metric
