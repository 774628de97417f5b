{#
    How an incremental model builds only what changed. docs/incremental.md shows it with three users and ten days, and has a
    model to copy.

    1. Pre-hook: fill_changed_user() fills the temporary table changed_user, a row for each user to build again.
    2. The model selects the new rows of these users and dates; changed_days() reads the days that they need.
    3. The strategy replace_changed deletes what meta.replaces describes and inserts the new rows.
    4. Post-hook: consume() records that the model has read these changes.

    All of it is one transaction.
#}


{#
    Pre-hook: fill changed_user. As a table with statistics, not a CTE, it lets the planner choose between an index range a
    user and one scan of everything. A full build has everybody in it.
#}
{% macro fill_changed_user(changes=none) %}
    {% if is_distributed() %}
    {% do fill_working_table(working_table('changed'), changes or changed_users(), 'user_id') %}
    {% else %}
    create temporary table changed_user on commit drop as {{ changes or changed_users() }};
    analyze changed_user
    {% endif %}
{% endmacro %}


{% macro changed_user_table() -%}
    {{ working_table('changed') if is_distributed() else 'changed_user' }}
{%- endmacro %}


{# The table that fill_changed_user() filled. A unit test has no hooks: it reads the same query in place. #}
{% macro changed_user(changes=none) -%}
    {% if model.resource_type == 'unit_test' %}({{ changes or changed_users() }}){% else %}{{ changed_user_table() }}{% endif %} as changed_user
{%- endmacro %}


{#
    Users who changed since this model was built, and the dates that changed: user_id, first_date, last_date (the first and
    last activity record, now), from_date, to_date. A model that has other cut-offs than before builds all dates of all users.
#}
{% macro changed_users() %}
    {% if is_incremental() %}
    {% set consumed_at = state_under_these_settings() %}
    select
        extent.user_id,
        extent.first_date,
        extent.last_date,
        case when isfinite({{ consumed_at }}) then extent.from_date else '-infinity' end as from_date,
        case when isfinite({{ consumed_at }}) then extent.to_date else 'infinity' end as to_date
    from {{ ref('int_user_extent') }} as extent
    where extent.changed_at > coalesce({{ consumed_at }}, '-infinity')
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


{# Changed users whose start may be another: all but those whose start is complete and ended before the change. #}
{% macro users_with_another_start() %}
    select changed.*
    from ({{ changed_users() }}) as changed
    {% if is_incremental() %}
    where not exists (
        select
        from {{ this }} as start
        where
            start.user_id = changed.user_id
            and start.start_valid_days = {{ var('max_start_days') }}
            and start.end_date < changed.from_date
    )
    {% endif %}
{% endmacro %}


{#
    Users and dates of the files of some datasets that came or went since this model was built. Where the choice of a device
    matters, any file of a user of several devices counts: which one was worn most may have changed.
#}
{% macro changed_in(datasets, chooses_device=true) %}
    select
        file_user.user_id,
        min(file_user.first_date) as from_date,
        max(file_user.last_date) as to_date
    from {{ ref('int_file_user') }} as file_user
    {% if chooses_device %}
    left join {{ ref('int_user_of_devices') }} as several on file_user.user_id = several.user_id
    {% endif %}
    where
        file_user.changed_at > {{ consumed_at() }}
        and (
            file_user.source_name in ('{{ datasets | join("', '") }}')
            {{ 'or several.user_id is not null' if chooses_device }}
        )
    group by file_user.user_id
{% endmacro %}


{# Users and dates of which int_user_day_device is to be built again: those of several devices, now or before. #}
{% macro changed_in_days_of_devices() %}
    select
        file_user.user_id,
        min(file_user.first_date) as from_date,
        max(file_user.last_date) as to_date
    from {{ ref('int_file_user') }} as file_user
    left join {{ ref('int_user_of_devices') }} as several on file_user.user_id = several.user_id
    {% if is_incremental() %}
    left join (select distinct old.user_id from {{ this }} as old) as former on file_user.user_id = former.user_id
    {% endif %}
    where
        file_user.changed_at > {{ consumed_at() }}
        and (several.user_id is not null{{ ' or former.user_id is not null' if is_incremental() }})
    group by file_user.user_id
{% endmacro %}


{#
    At the end of a lateral subquery that finds one row by its key. The planner expects 1,000 days a user of generate_series: without
    this, it would read all rows to join them. Citus refuses it, and a node's part of the rows is read faster.
#}
{% macro one_row() %}{{ 'limit 1' if not is_distributed() }}{% endmacro %}


{#
    The days of `relation` that a model reads, as user_day: all of them in a full build, else those of changed_user from
    `begin` to `end`. Both are to be columns of changed_user, or made of one: with a constant such as infinity the planner
    expects most of the table, and reads all of it.
#}
{% macro changed_days(relation, begin, end) -%}
    {% if is_incremental() -%}
    {{ changed_user() }}
    inner join {{ relation }} as user_day
        on changed_user.user_id = user_day.user_id and user_day.activity_date between {{ begin }} and {{ end }}
    {%- else -%}
    {{ relation }} as user_day
    {%- endif %}
{%- endmacro %}


{# The first and last activity record of each user who has one: user_id, first_date, last_date. #}
{% macro user_extents() %}
    select
        user_id,
        first_date,
        last_date
    from {{ ref('int_user_extent') }}
    where first_date is not null
{% endmacro %}


{# Pre-hook: delete the days after the as-of date, which may have moved back. #}
{% macro delete_days_after(relation, day, as_of) %}
    -- an array of the days: with a bound that it cannot know, the planner would read the whole table
    delete from {{ relation }}
    where {{ day }} = any(array(
        select as_of.as_of_date + later
        from {{ as_of }} as as_of
        cross join lateral generate_series(1, (select max({{ day }}) from {{ relation }}) - as_of.as_of_date) as later
    ))
{% endmacro %}


{#
    Pre-hook: delete the weeks that end on or after the first day that changed for anybody, those that were built before they were
    over, and all of them if the roster changed.
#}
{% macro delete_weeks_that_may_differ(relation) %}
    delete from {{ relation }}
    where
        as_of_date >= (select min(from_date) from {{ changed_user_table() }})
        or as_of_date is distinct from least(week_start_date + 6, (select as_of_date from {{ ref('int_as_of') }}))
        or exists (select 1 from {{ roster_changes() }} where changed_at > {{ consumed_at() }})
{% endmacro %}


{# When a file of the roster came or went: changed_at. #}
{% macro roster_changes() -%}
    (select changed_at from {{ ref('int_file') }} where source_name = 'participants') as roster_change
{%- endmacro %}


{#
    Pre-hook: delete all rows, so that the strategy append fills the table again. A table that dbt replaces takes the views with it
    that read it.
#}
{% macro empty() %}
    {% if is_incremental() %}delete from {{ this }}{% endif %}
{% endmacro %}


{#
    The incremental strategy replace_changed: delete the rows `old` of the changed users for which meta.replaces holds, then
    insert what the model selects.
#}
{% macro get_incremental_replace_changed_sql(arg_dict) %}
    {% set columns = arg_dict['dest_columns'] | map(attribute='name') | join(', ') %}
    delete from {{ arg_dict['target_relation'] }} as old
    using {{ changed_user_table() }} as changed_user
    where old.user_id = changed_user.user_id and {{ config.get('meta').replaces }};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }};
{% endmacro %}


{#
    How far each incremental model has read the changes, and the cut-offs it was built with. A model updates its row in the
    transaction that changes its own rows, so a run that fails half-way leaves the rest marked as unread.

    A model whose cut-offs differ is built again as a whole. earliest_date and raw_schema are not among them: they change
    what a file holds, and need --full-refresh.
#}
{% macro model_state() %}{{ intermediate() }}.model_state{% endmacro %}


{% macro create_model_state() %}
    create schema if not exists {{ intermediate() }};
    create table if not exists {{ model_state() }} (
        model text primary key,
        settings text not null,
        consumed_at timestamptz not null
    );
    comment on table {{ model_state() }} is
    'How far each incremental model has read the changes, and the cut-offs it was built with. Grain: model.';
{% endmacro %}


{% macro settings() -%}
    {%- for name in [
        'min_steps', 'max_steps', 'min_wear_minutes', 'min_wear_hours', 'min_baseline_days', 'recent_days', 'base_days',
        'z_alert', 'min_weekdays', 'min_week_valid_days', 'cohort_entry_days', 'min_share_users', 'min_start_days',
        'max_start_days', 'min_start_sd', 'z_clip', 'cusum_slack', 'cusum_cap', 'cusum_on', 'cusum_off', 'wear_drop',
        'wear_cap', 'wear_on', 'wear_off', 'min_wear_rate', 'max_wear_rate', 'worn_less_below', 'stopped_after_days',
        'steady_wear_days', 'never_started_after_days', 'count_from_steps',
    ] -%}
        {{ name }}={{ var(name) }}{{ ' ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{# The time up to which this model has read the changes; -infinity in a full build. #}
{% macro consumed_at() -%}
    {{ consumed_by(this.identifier) if is_incremental() else "'-infinity'" }}
{%- endmacro %}


{# The time up to which a model has read the changes; -infinity if it was never built. #}
{% macro consumed_by(name) -%}
    coalesce({{ state_of("(select consumed_at from " ~ model_state() ~ " where model = '" ~ name ~ "')") }}, '-infinity')
{%- endmacro %}


{# The time of a change that an incremental run finds: later than all that was read, even if the clock was set back. #}
{% macro time_of_change() -%}
    greatest(clock_timestamp(), {{ state_of("(select max(consumed_at) + interval '1 microsecond' from " ~ model_state() ~ ")") }})
{%- endmacro %}


{# Post-hook: record that this model has read all changes. The arguments are the tables with changed_at that it reads. #}
{% macro consume() %}
    insert into {{ model_state() }} (model, settings, consumed_at)
    select '{{ this.identifier }}', '{{ settings() }}', coalesce(max(changed_at), '-infinity')
    from (
        {% for changes in varargs %}
        select max(changed_at) as changed_at from {{ changes }}
        {{ 'union all' if not loop.last }}
        {% endfor %}
    ) as changes
    on conflict (model) do update set settings = excluded.settings, consumed_at = excluded.consumed_at
{% endmacro %}


{# The time up to which every model that reads this one, and the tests, have read its changes. #}
{% macro read_by_all() %}
    {%- set readers = [tested()] -%}
    {%- for node in graph.nodes.values() if execute and model.unique_id in node.depends_on.nodes -%}
        {%- if node.config.materialized == 'incremental' %}{% do readers.append(node.name) %}{% endif -%}
    {%- endfor -%}
    {{ state_of("(select min(consumed_at) from " ~ model_state() ~ " where model in ('" ~ readers | join("', '") ~ "'))") }}
{%- endmacro %}


{# The time up to which this model has read the changes; null if it was never built with the present cut-offs. #}
{% macro state_under_these_settings() -%}
    {{ state_of(
        "(select consumed_at from " ~ model_state() ~ " where model = '" ~ this.identifier ~ "' and settings = '" ~ settings() ~ "')"
    ) }}
{%- endmacro %}


{#
    Users who changed since the reconciling tests last passed: user_id, first_date, last_date and from_date, the first day
    that may differ. Everybody after a full refresh.
#}
{% macro untested_users() %}
    select
        user_id,
        first_date,
        last_date,
        from_date
    from {{ ref('int_user_extent') }}
    where changed_at > {{ consumed_by(tested()) }}
{% endmacro %}


{% macro tested() %}untested_users{% endmacro %}


{# Record which changes the reconciling tests have seen, once all of them have passed. #}
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
