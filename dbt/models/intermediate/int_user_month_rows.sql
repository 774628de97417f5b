{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': "t.month_start_date between date_trunc('month', c.from_date::timestamp) and c.to_date",
    },
) }}

{% set sources = {'daily_activity': 'activity_date', 'sleep': 'sleep_date', 'hourly_steps': 'activity_hour'} %}

{% if is_incremental() %}
with changed_user as materialized (

    select
        user_id,
        date_trunc('month', from_date::timestamp) as begin_month,
        date_trunc('month', to_date::timestamp) + interval '1 month' as end_month
    from ({{ changed_users() }}) as changed

)
{% endif %}

{% for source_name, key in sources.items() %}
select
    resolved.user_id,
    '{{ source_name }}' as source_name,
    date_trunc('month', resolved.{{ key }}::timestamp)::date as month_start_date,
    sum(resolved.raw_rows)::bigint as rows_in,
    count(*) as rows_out,
    count(*) filter (where resolved.has_conflict) as overlap_conflicts
{% if is_incremental() %}
from changed_user
-- limit all: as in changed_days
cross join lateral (
    select row_of_user.*
    from {{ ref('stg_' ~ source_name) }} as row_of_user
    where
        row_of_user.user_id = changed_user.user_id
        and row_of_user.{{ key }} >= changed_user.begin_month
        and row_of_user.{{ key }} < changed_user.end_month
    limit all
) as resolved
{% else %}
from {{ ref('stg_' ~ source_name) }} as resolved
{% endif %}
group by resolved.user_id, date_trunc('month', resolved.{{ key }}::timestamp)::date
{{ 'union all' if not loop.last }}
{% endfor %}
