{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{{ fill_changed_user() }}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.month_start_date between ' ~ month('changed_user.from_date') ~ ' and changed_user.to_date',
    },
) }}

{% for dataset in var('datasets') %}
select
    staged.user_id,
    '{{ dataset.name }}' as source_name,
    {{ month('staged.' ~ dataset.staged_time) }} as month_start_date,
    sum(staged.raw_rows)::bigint as rows_in,
    -- what is made of finer rows has no raw row
    {{ 'sum(staged.' ~ dataset.raw_keys ~ ')::bigint' if dataset.raw_keys else 'count(*) filter (where staged.raw_rows > 0)' }} as rows_out,
    count(*) as rows_staged,
    {{ 'sum(staged.' ~ dataset.conflicts ~ ')::bigint' if dataset.conflicts else 'count(*) filter (where staged.has_conflict)' }}
        as overlap_conflicts
{% if is_incremental() %}
from {{ changed_user() }}
inner join {{ ref(dataset.staged) }} as staged
    on
        changed_user.user_id = staged.user_id
        and staged.{{ dataset.staged_time }} >= {{ month('changed_user.from_date') }}
        and staged.{{ dataset.staged_time }} < {{ month('changed_user.to_date') }} + interval '1 month'
{% else %}
from {{ ref(dataset.staged) }} as staged
{% endif %}
group by staged.user_id, {{ month('staged.' ~ dataset.staged_time) }}
{{ 'union all' if not loop.last }}
{% endfor %}
