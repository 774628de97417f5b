{# Each layer has a row for each day of the one before; a user's days are all between the first and the last. #}
with expected as (

    select sum(last_date - first_date + 1) as days
    from ({{ user_extents() }}) as user_extent

),

found as (

    {% for model in ['fct_user_day', 'int_user_day_baseline', 'int_user_day_cusum'] %}
    select
        '{{ model }}' as model,
        count(*) as days
    from {{ ref(model) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select
    found.model,
    found.days,
    expected.days as expected_days
from found
cross join expected
where found.days <> coalesce(expected.days, 0)
