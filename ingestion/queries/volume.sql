-- name: latest_deliveries(least_people)
-- who has not delivered for a week is late, and how much came last says nothing about today; the name of a small site
-- may tell who its people are
select
    dataset,
    site,
    delivery_date,
    users,
    rows_loaded,
    usual_users,
    usual_rows,
    weeks,
    is_low,
    low_in
from (
    select distinct on (dataset, site)
        *,
        max(delivery_date) over () as last_date
    from marts.rpt_volume
    order by dataset, site, delivery_date desc
) as latest
where delivery_date > last_date - 7 and (site = 'all' or usual_users >= :least_people)
order by dataset, site <> 'all', site;
