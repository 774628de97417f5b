{#
    What changed since a model was last built.

    int_user_extent tells which users the files of a run touched and between which dates. Each incremental model keeps in
    model_state how far it has read that, in the transaction that changes its rows: what a run that dies half-way did not
    read stays marked until all have. Other cut-offs make a model build everything. (Not so earliest_date and raw_schema,
    which say what a file holds: they need --full-refresh.)
#}
{% macro model_state() %}intermediate.model_state{% endmacro %}


{% macro create_model_state() %}
    create schema if not exists intermediate;
    create table if not exists {{ model_state() }} (
        model text primary key,
        settings text not null,
        consumed_at timestamptz not null
    );
    comment on table {{ model_state() }} is
    'How far each incremental model has read what changed, and under which cut-offs. Grain: model.';
{% endmacro %}


{% macro settings() -%}
    {%- for name in [
        'min_steps', 'max_steps', 'min_baseline_days', 'anchor_days', 'recent_days', 'base_days', 'z_alert', 'cusum_slack',
        'min_weekdays', 'min_week_valid_days', 'disengaging_max_valid_days', 'declining_below_ratio',
        'increasing_above_ratio', 'cohort_entry_days',
    ] -%}
        {{ name }}={{ var(name) }}{{ ' ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{# The moment up to which this model has read what changed. A full build reads it all. #}
{% macro consumed_at() %}
{%- if is_incremental() -%}
    coalesce((
        select state.consumed_at
        from {{ model_state() }} as state
        where state.model = '{{ this.identifier }}'
    ), '-infinity')
{%- else -%}
    '-infinity'
{%- endif -%}
{% endmacro %}


{# A post-hook. #}
{% macro consume(changes) %}
    insert into {{ model_state() }} (model, settings, consumed_at)
    select '{{ this.identifier }}', '{{ settings() }}', coalesce(max(changed_at), '-infinity') from {{ changes }}
    on conflict (model) do update set settings = excluded.settings, consumed_at = excluded.consumed_at
{% endmacro %}


{# The moment up to which every model that reads this one has done so. #}
{% macro read_by_all() %}
    {%- set readers = [tested()] -%}
    {%- for node in graph.nodes.values() if execute and model.unique_id in node.depends_on.nodes -%}
        {%- if node.config.materialized == 'incremental' %}{% do readers.append(node.name) %}{% endif -%}
    {%- endfor -%}
    (select min(consumed_at) from {{ model_state() }} where model in ('{{ readers | join("', '") }}'))
{%- endmacro %}


{# At most one row: none where this model was never built, or under other cut-offs. #}
{% macro state_under_these_settings() %}
    (
        select consumed_at
        from {{ model_state() }}
        where model = '{{ this.identifier }}' and settings = '{{ settings() }}'
    )
{%- endmacro %}


{#
    Users to build and the dates that changed: user_id, first_date, last_date (their extent now), from_date, to_date. As a
    CTE it is to be materialized: only of plain columns does the planner make a range of an index.
#}
{% macro changed_users() %}
    {% if is_incremental() %}
    select
        extent.user_id,
        extent.first_date,
        extent.last_date,
        case when isfinite(state.consumed_at) then extent.from_date else '-infinity' end as from_date,
        case when isfinite(state.consumed_at) then extent.to_date else 'infinity' end as to_date
    from {{ ref('int_user_extent') }} as extent
    left join {{ state_under_these_settings() }} as state on true
    where extent.changed_at > coalesce(state.consumed_at, '-infinity')
    {% else %}
    select
        user_id,
        first_date,
        last_date,
        from_date,
        to_date
    from {{ ref('int_user_extent') }}
    {% endif %}
{% endmacro %}


{# Everyone who has a record, and from when to when: user_id, first_date, last_date. #}
{% macro user_extents() %}
    select
        user_id,
        first_date,
        last_date
    from {{ ref('int_user_extent') }}
    where first_date is not null
{% endmacro %}


{#
    changed_users() with until_date: from when on a user's days that look back `days`, and to the last valid day before, are as
    they were.
#}
{% macro users_changed_until(days) %}
    select
        changed.*,
        {% if is_incremental() %}
        greatest(changed.to_date + {{ days }}, coalesce((
            select min(user_day.activity_date) - 1
            from {{ ref('fct_user_day') }} as user_day
            where
                user_day.user_id = changed.user_id
                and user_day.activity_date > changed.to_date
                and user_day.is_valid_day
        ), 'infinity')) as until_date
        {%- else %}
        date 'infinity' as until_date
        {%- endif %}
    from ({{ changed_users() }}) as changed
{% endmacro %}


{#
    The days of a table that changed, with changed_user's columns. limit all, as limit 1 elsewhere, is for the planner: it
    expects many days, and would read the whole table where an index range a user is enough.
#}
{% macro changed_days(relation, begin, end, users='changed_user') %}
    {{ users }} as changed_user
    cross join lateral (
        select day.*
        from {{ relation }} as day
        where
            day.user_id = changed_user.user_id
            and day.activity_date between {{ begin }} and {{ end }}
        limit all
    )
{%- endmacro %}


{# Users and dates that files of one source came or went with since the model was last built. #}
{% macro changed_in_source(source_name) %}
    select
        user_id,
        min(first_date) as from_date,
        max(last_date) as to_date
    from {{ ref('int_file_user') }}
    where source_name = '{{ source_name }}' and changed_at > {{ consumed_at() }}
    group by user_id
{% endmacro %}


{#
    Where the as-of date has gone back. The days as an array, as with a bound that it cannot know the planner would read the
    whole table.
#}
{% macro delete_days_after(relation, day, as_of) %}
    delete from {{ relation }}
    where {{ day }} = any(array(
        select as_of.as_of_date + later
        from {{ as_of }} as as_of
        cross join lateral generate_series(1, (select max({{ day }}) from {{ relation }}) - as_of.as_of_date) as later
    ))
{% endmacro %}


{# Where the as-of date has gone back, or the first user's records. #}
{% macro delete_weeks_of_nobody(relation) %}
    delete from {{ relation }}
    where not coalesce(
        week_start_date <= (select as_of_date from {{ ref('int_as_of') }})
        and week_start_date > (select min(first_date) - 7 from ({{ user_extents() }}) as user_extent),
        false
    )
{% endmacro %}


{#
    Who has changed since the tests last passed: user_id, first_date, last_date, from_date (days before it are as they were
    then). Everybody after a full refresh.
#}
{% macro untested_users() %}
    select
        user_id,
        first_date,
        last_date,
        from_date
    from {{ ref('int_user_extent') }}
    where changed_at > coalesce((select consumed_at from {{ model_state() }} where model = '{{ tested() }}'), '-infinity')
{% endmacro %}


{% macro tested() %}untested_users{% endmacro %}


{# After a run whose reconciling tests have all passed, what they have seen need not be seen again. #}
{% macro remember_tests(results) %}
    {% set changes = ref('int_user_extent') %}
    {% set reconciled = ['days_reconcile', 'records_reconcile'] %}
    {% set passed = results | selectattr('node.name', 'in', reconciled) | selectattr('status', 'equalto', 'pass') | list %}
    {% if execute and passed | length == reconciled | length %}
        insert into {{ model_state() }} (model, settings, consumed_at)
        select '{{ tested() }}', '', coalesce(max(changed_at), '-infinity') from {{ changes }}
        on conflict (model) do update set consumed_at = excluded.consumed_at;
    {% endif %}
{% endmacro %}


{#
    The strategy of the incremental models: what the model's meta.replaces says of a row t and a changed user c goes, what
    the model selects comes in its place.
#}
{% macro get_incremental_replace_changed_sql(arg_dict) %}
    {% set meta = config.get('meta') %}
    {% set columns = arg_dict['dest_columns'] | map(attribute='name') | join(', ') %}
    with c as materialized (
        {%- if meta.source_name %}{{ changed_in_source(meta.source_name) }}
        {%- elif meta.looks_back_days %}{{ users_changed_until(meta.looks_back_days) }}
        {%- else %}{{ changed_users() }}
        {%- endif %}
    )
    delete from {{ arg_dict['target_relation'] }} as t
    using c
    where t.user_id = c.user_id and {{ meta.replaces }};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }};
{% endmacro %}
