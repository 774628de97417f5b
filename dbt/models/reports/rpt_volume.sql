{{ config(materialized='table', meta={'distribution': 'coordinator'}) }}

{#
    The steps:

    sized      how many participants each delivery has, by the day on which they left the study, and how many rows
    delivery   those who had not left by then, and the most that a delivery of the weeks before had
    asked      the days that each delivery is compared with
    compared   each delivery beside one on the same weekday before: those of its participants who had not left by the later day
    usual      what is compared, as an array a delivery
    spread     its medians, the MADs as standard deviations, and what is chance
    judged     whether a delivery is short of the medians by more than that
#}
{% set days = 7 * var('volume_weeks') %}

with sized as (

    select
        counted.*,
        loaded.rows_loaded
    from {{ ref('int_delivery') }} as counted
    inner join (
        select
            source_name as dataset,
            last_date as delivery_date,
            sum(rows_loaded) as rows_loaded
        from {{ ref('int_file') }}
        where is_loaded
        group by source_name, last_date
    ) as loaded on counted.dataset = loaded.dataset and counted.delivery_date = loaded.delivery_date

),

delivery as (

    select
        dataset,
        site,
        delivery_date,
        coalesce(sum(users) filter (where left_on >= delivery_date), 0) as users,
        sum(users) as all_users,
        max(sum(users) filter (where left_on >= delivery_date)) over (
            partition by dataset, site order by delivery_date
            range between interval '{{ days }} days' preceding and interval '1 day' preceding
        ) as most_users,
        -- a site's rows are not known
        max(rows_loaded) filter (where site = 'all') as rows_loaded
    from sized
    group by dataset, site, delivery_date

),

asked as (

    select
        delivery.*,
        delivery.delivery_date - 7 * weeks_before as earlier_date
    from delivery
    cross join generate_series(1, {{ var('volume_weeks') }}) as weeks_before
    where delivery.delivery_date > (select max(latest.delivery_date) from delivery as latest) - {{ var('volume_days') }}
    -- keeps the planner from comparing all days of a dataset with each other
    limit all

),

compared as (

    select
        asked.dataset,
        asked.site,
        asked.delivery_date,
        asked.users,
        asked.all_users,
        asked.most_users,
        asked.rows_loaded,
        earlier.delivery_date as earlier_date,
        coalesce(sum(earlier.users) filter (where earlier.left_on >= asked.delivery_date), 0) as earlier_users,
        sum(earlier.users) as all_earlier_users,
        max(earlier.rows_loaded) filter (where asked.site = 'all') as earlier_rows
    from asked
    left join sized as earlier
        on asked.dataset = earlier.dataset and asked.site = earlier.site and asked.earlier_date = earlier.delivery_date
    group by
        asked.dataset, asked.site, asked.delivery_date, asked.users, asked.all_users, asked.most_users, asked.rows_loaded,
        earlier.delivery_date

),

usual as (

    select
        dataset,
        site,
        delivery_date,
        users,
        most_users,
        rows_loaded,
        -- of those who had not left, if everybody in the delivery has as many rows
        rows_loaded * users / all_users as own_rows,
        count(earlier_date) as weeks,
        array_agg(earlier_users) filter (where earlier_date is not null) as many_users,
        array_agg(earlier_rows * earlier_users / all_earlier_users) filter (where earlier_date is not null) as many_rows
    from compared
    group by dataset, site, delivery_date, users, all_users, most_users, rows_loaded

),

spread as (

    select
        usual.*,
        {% for name in ['users', 'rows'] %}
        median_of_{{ name }}.value as usual_{{ name }},
        spread_of_{{ name }}.value as spread_of_{{ name }},
        {% endfor %}
        -- of the most people, each comes or not: the binomial standard deviation
        sqrt(median_of_users.value * (1 - median_of_users.value / greatest(usual.most_users, median_of_users.value, 1))) as chance,
        median_of_rows.value / nullif(median_of_users.value, 0) as rows_a_user
    from usual
    {% for name in ['users', 'rows'] %}
    cross join lateral (
        select percentile_cont(0.5) within group (order by one) as value
        from unnest(usual.many_{{ name }}) as one
    ) as median_of_{{ name }}
    cross join lateral (
        select percentile_cont(0.5) within group (order by abs(one - median_of_{{ name }}.value)) / 0.6745 as value
        from unnest(usual.many_{{ name }}) as one
    ) as spread_of_{{ name }}
    {% endfor %}

),

judged as (

    select
        *,
        weeks >= {{ var('min_volume_weeks') }} as is_judged,
        usual_users - users
        > greatest({{ var('volume_deviations') }} * greatest(spread_of_users, chance), {{ var('volume_drop') }} * usual_users, 1)
            as has_few_users,
        usual_rows - own_rows
        > greatest(
            {{ var('volume_deviations') }} * greatest(spread_of_rows, chance * rows_a_user),
            {{ var('volume_drop') }} * usual_rows,
            rows_a_user
        ) as has_few_rows
    from spread

)

select
    dataset,
    site,
    delivery_date,
    users::int as users,
    rows_loaded::bigint as rows_loaded,
    case when is_judged then usual_users end as usual_users,
    case when is_judged then usual_rows end as usual_rows,
    weeks::int as weeks,
    case when is_judged then has_few_users or coalesce(has_few_rows, false) end as is_low,
    case
        when not is_judged then null
        when has_few_users and has_few_rows then 'participants and rows'
        when has_few_users then 'participants'
        when has_few_rows then 'rows'
    end as low_in
from judged
