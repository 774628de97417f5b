{#
    The groups that each participant belongs to: user_id, arm, site. Everybody is in ('all', 'all'); who has an arm is in (arm, 'all'), and
    who has a site in ('all', site). An arm or a site that the roster itself calls `all` is no group of its own: its rows would be taken
    for those of everybody.
#}
{% macro participant_groups() %}
    select
        user_id,
        'all' as arm,
        'all' as site
    from {{ ref('dim_participant') }}

    union all

    select
        user_id,
        arm,
        'all' as site
    from {{ ref('dim_participant') }}
    where arm <> 'all'

    union all

    select
        user_id,
        'all' as arm,
        site
    from {{ ref('dim_participant') }}
    where site <> 'all'
{% endmacro %}


{# The groups that anybody belongs to, from the rows of participant_groups(): arm, site. That of everybody is there without anybody. #}
{% macro named_groups(grouped) %}
    select
        arm,
        site
    from {{ grouped }}

    union

    select
        'all' as arm,
        'all' as site
{% endmacro %}
