{#
    Whose the rows of raw are. The user_id of a raw table is an identifier: what the file calls the person. int_identifier says
    which participant that is; an identifier that it does not have is the participant's own id.

    select {{ participant_of('source.user_id') }} as user_id
    from {{ source('raw', 'weight') }} as source
    {{ join_identifiers('source.user_id') }}

    An incremental model takes the participant and the identifiers of the changed users from int_file_user; see raw_parts.
#}
{% macro participant_of(identifier) -%}
    coalesce(known_as.user_id, {{ identifier }})
{%- endmacro %}


{% macro join_identifiers(identifier) -%}
    left join {{ ref('int_identifier') }} as known_as on {{ identifier }} = known_as.identifier
{%- endmacro %}


{#
    Days and hours are those of the person's time zone. A raw row has the time on the clock that its file is of, and beside it
    `_offset`, the minutes of that clock east of UTC:

    | _offset | the clock | the person's time |
    | null | the file does not say: the device's own | as written |
    | -720 to 840 | one of a place | in the person's zone; without one as written |
    | 1440 | UTC's, wherever the person was | in the person's zone; without one unknown, and the row has no day |

    A model joins the zones with join_time_zones(), leaves out rows without a day with has_day(), and takes local_time() of each
    moment.
#}

{# What `_offset` is where the clock is UTC's. ingestion/load/offsets.py has the same number. #}
{% macro utc_clock() %}1440{% endmacro %}


{#
    The person's time of a moment of a raw row.

    `moment` is the column, `row` the alias of the raw table, and `zone` an expression of the name of the person's zone.
#}
{% macro local_time(moment, row='source', zone='zoned.time_zone') -%}
    case
        when {{ row }}._offset is null then {{ moment }}
        when {{ zone }} is not null
            then (({{ moment }} - {{ row }}._offset % {{ utc_clock() }} * interval '1 minute') at time zone 'UTC') at time zone {{ zone }}
        when {{ row }}._offset <> {{ utc_clock() }} then {{ moment }}
    end
{%- endmacro %}


{# The offset of the clock that local_time() is of, in minutes east of UTC; null where it is not known. #}
{% macro local_offset(moment, row='source', zone='zoned.time_zone') -%}
    case
        when {{ zone }} is null then {{ row }}._offset
        when {{ row }}._offset is not null
            then (extract(epoch from {{ local_time(moment, row, zone) }} - {{ moment }}) / 60)::integer
                + {{ row }}._offset % {{ utc_clock() }}
    end
{%- endmacro %}


{# Whether a raw row has a day, and counts. #}
{% macro has_day(row='source', zone='zoned.time_zone') -%}
    ({{ row }}._offset is distinct from {{ utc_clock() }} or {{ zone }} is not null)
{%- endmacro %}


{% macro join_time_zones(user) -%}
    left join {{ ref('int_participant') }} as zoned on {{ user }} = zoned.user_id
{%- endmacro %}


{#
    How many days the person's day of a raw row may lie from the day that the file writes. Clocks of two places are up to 26 hours
    apart, and UTC's up to 14 from that of any place.
#}
{% macro days_around(row='') -%}
    {%- set offset = row ~ '.' ~ '_offset' if row else '_offset' -%}
    case {{ offset }} when {{ utc_clock() }} then 1 else 2 * ({{ offset }} is not null)::int end
{%- endmacro %}


{# A device cannot measure before it was sold, or after its file was loaded; one day more allows for time zones. #}
{% macro is_plausible(day) -%}
    ({{ day }} >= date '{{ var("earliest_date") }}' and {{ day }} < _loaded_at::date + 2)
{%- endmacro %}


{#
    What the raw rows of the loaded files say of a day (or hour: `key` is the name of the column, `type` its type): user_id, the
    key, the columns (staged name to raw name), device, file_id, origin. `day` is the time of the row named source. `changed` is
    changed_user(), with the users and dates that an incremental run builds, and any run with `always`. `written` is the time as
    the file has it, where `day` is made of it by local_time().
#}
{% macro raw_parts(
    dataset, day, columns, changed, key, type='date', device='file.device', always=false, written=none
) %}
    {% set only_changed = is_incremental() or always %}
    {% set user = 'owner.user_id' if only_changed else participant_of('source.user_id') %}
    {% set has_offset = '_offset' in day %}
    {% set is_changed %}
        and {{ day }} >= owner.from_date
        and {{ day }} < owner.to_date + 1
    {% endset %}
    {% if only_changed %}{% set owners = spread('owners_' ~ dataset, 'identifier', owners(dataset, changed)) %}{% endif %}
    {% set parts %}
    select
        {{ user }} as user_id,
        ({{ day }})::{{ type }} as {{ key }},
        {% for name, raw in columns.items() %}
        {{ raw if '.' in raw or '::' in raw else 'source.' ~ raw }} as {{ name }},
        {% endfor %}
        {{ device }} as device,
        file.file_id,
        0 as origin
    {% if only_changed %}
    from {{ owners }} as owner
    inner join {{ source('raw', dataset) }} as source
        on
            owner.identifier = source.user_id
            and owner.file_id = source._file_id
            {{ is_changed if not has_offset }}
    {% else %}
    from {{ source('raw', dataset) }} as source
    {{ join_identifiers('source.user_id') }}
    {% endif %}
    inner join {{ ref('int_file') }} as file on source._file_id = file.file_id
    {% if has_offset %}{{ join_time_zones(user) }}{% endif %}
    where
        file.is_loaded and {{ is_plausible(written or day) }}
        {% if has_offset %}
        and {{ has_day() }}
        {{ is_changed if only_changed }}
        {% endif %}
        {% if only_changed %}
        -- a table of which nothing is needed is not read
        and exists (select 1 from {{ changed }})
        -- an array of the files that hold changed days: an index on _file_id is used if a large raw table has one
        and source._file_id = any(array(select distinct needed.file_id from {{ owners }} as needed))
        {% endif %}
    {% endset %}
    select * from {{ spread('rows_' ~ dataset, 'user_id', parts) }} as {{ dataset }}_row
{%- endmacro %}


{# What the files of a dataset call the changed users, and the dates that changed: user_id, identifier, file_id, from_date, to_date. #}
{% macro owners(dataset, changed) %}
    select
        changed_user.user_id,
        changed_user.from_date,
        changed_user.to_date,
        file_user.identifier,
        file_user.file_id
    from {{ changed }}
    inner join {{ ref('int_file_user') }} as file_user
        on
            changed_user.user_id = file_user.user_id
            and changed_user.from_date <= file_user.last_date
            and changed_user.to_date >= file_user.first_date
    where file_user.source_name = '{{ dataset }}' and file_user.is_loaded
{% endmacro %}


{#
    The rows of a model of which another one is made, as `made`: all of them in a full build, else those of changed_user.
#}
{% macro changed_moments(relation, moment, changed, always=false) -%}
    {% if is_incremental() or always -%}
    {{ changed }}
    inner join {{ relation }} as made
        on
            changed_user.user_id = made.user_id
            and made.{{ moment }} >= changed_user.from_date
            and made.{{ moment }} < changed_user.to_date + 1
    {%- else -%}
    {{ relation }} as made
    {%- endif %}
{%- endmacro %}


{# The name under which int_user_month_rows counts the days that were exported as a day and as hours. #}
{% macro days_and_hours() %}daily_activity_and_hours{% endmacro %}


{# Days that are sums of exported hours, as parts of stg_daily_activity with these columns. #}
{% macro days_of_hours(columns, changed) %}
    select
        made.user_id,
        made.activity_hour::date as activity_date,
        {% for name in columns %}
        {{ 'sum(made.steps)::integer' if name == 'steps' else 'null' }} as {{ name }},
        {% endfor %}
        made.device,
        max(made.file_id) as file_id,
        1 as origin
    from {{ changed_moments(ref('stg_hourly_steps'), 'activity_hour', changed) }}
    where made.made_from = 'hours' and made.steps is not null
    group by made.user_id, made.activity_hour::date, made.device
{%- endmacro %}


{# Days that are sums of minutes, as parts of stg_daily_activity with these columns. #}
{% macro days_of_minutes(columns, changed, always=false) %}
    {% set sums = {
        'steps': 'sum(made.steps)::integer',
        'calories': 'round(sum(made.calories))::integer',
        'distance_km': 'sum(made.distance_km)',
    } %}
    select
        made.user_id,
        made.activity_hour::date as activity_date,
        {% for name in columns %}
        {{ sums.get(name, 'null') }} as {{ name }},
        {% endfor %}
        made.device,
        max(made.file_id) as file_id,
        2 as origin
    from {{ changed_moments(ref('int_user_hour_activity'), 'activity_hour', changed, always) }}
    group by made.user_id, made.activity_hour::date, made.device
{%- endmacro %}


{# Days that are sums of periods of sleep, as parts of stg_sleep with these columns. #}
{% macro days_of_records(columns, changed, always=false) %}
    {% set sums = {
        'sleep_records': 'count(*)::integer',
        'nap_minutes': "case when count(made.is_main_sleep) > 0
            then coalesce(sum(made.minutes_asleep) filter (where not made.is_main_sleep), 0) end::integer",
    } %}
    select
        made.user_id,
        made.sleep_date,
        {% for name in columns %}
        {{ sums.get(name, 'sum(made.' ~ name ~ ')::integer') }} as {{ name }},
        {% endfor %}
        made.device,
        max(made.file_id) as file_id,
        1 as origin
    from {{ changed_moments(ref('stg_sleep_records'), 'sleep_date', changed, always) }}
    group by made.user_id, made.sleep_date, made.device
{%- endmacro %}


{# The order of precedence of raw rows, in which `file` is int_file and the values are columns of `parts`. #}
{% macro later_first(values, parts='') -%}
    file.last_date desc, file.file_name collate "C" desc
    {%- for value in values %}, {{ parts ~ '.' if parts }}{{ value }} desc nulls last{% endfor %}
{%- endmacro %}


{# Where a device stands in the stated order; a name such as Google Fitbit Air stands where Fitbit does. #}
{% macro place_of(device) -%}
    case
        {% for name in var('device_order') %}
        when strpos(lower({{ device }}), '{{ name | lower }}') > 0 then {{ loop.index }}
        {% endfor %}
        else {{ var('device_order') | length + 1 }}
    end
{%- endmacro %}


{#
    One row a user and day (or hour) from its parts, each of which is a raw row or is made of finer rows.

    Each value is the first that is not null, in this order: the device that counts on the day, the origin of the part, the
    file with the latest date (an export is made before its last day is over), the greater file name, and within a file the row
    with the greater values, in the order of `columns`. The order of loading makes no difference. Nearly all rows have one part,
    and only the others are sorted so.

    `origins` are the names of what a part may be made from, for made_from: its `origin` is a place among them, 0 of a raw row. `clock` is the column of a part with the offset of the
    clock that `key` is of: hours of two clocks are two rows, and `occurrence` tells them apart.
#}
{% macro merge_parts(parts, key, columns, origins, clock=none) %}
{% set keys = 'user_id, ' ~ key %}
{% set names = "array['" ~ origins | join("', '") ~ "']" %}
{% set row_keys = keys ~ (', occurrence' if clock else '') %}
with part as (
    {{ parts }}
),

counted as {{ read_twice() }} (

    select
        *,
        count(*) over (partition by {{ keys }}) as parts
    from part

),

{% if clock %}
-- of two clocks of a device, the one further east showed this time first; a clock that is not known is the first
told_apart as (

    select
        *,
        case
            when {{ clock }} is null then 1
            else dense_rank() over (
                partition by {{ keys }}, device, ({{ clock }} is null)
                order by {{ clock }} desc
            )
        end::smallint as occurrence
    from counted
    where parts > 1

),

{% endif %}
ranked as (

    select
        counted.*,
        row_number() over by_precedence as precedence,
        -- parts of other devices, and made ones, differ by their nature
        counted.origin = 0 and counted.device = first_value(counted.device) over by_precedence as is_compared
    from {{ 'told_apart as counted' if clock else 'counted' }}
    inner join {{ ref('int_file') }} as file on counted.file_id = file.file_id
    left join {{ ref('int_user_day_device') }} as choice
        on
            counted.user_id = choice.user_id
            and counted.{{ key }}::date = choice.activity_date
            and counted.device = choice.device
    where counted.parts > 1
    window
        by_precedence as (
            partition by counted.user_id, counted.{{ key }}{{ ', counted.occurrence' if clock }}
            order by
                choice.device_rank asc nulls last, counted.device asc, counted.origin asc, {{ later_first(columns, 'counted') }}
        )

)

select
    user_id,
    {{ key }},
    {{ '1::smallint as occurrence,' if clock }}
    {% for name in columns %}
    {{ name }},
    {% endfor %}
    device,
    ({{ names }})[1 + origin] as made_from,
    file_id,
    (origin = 0)::int::bigint as raw_rows,
    false as has_conflict
from counted
where parts = 1

union all

select
    user_id,
    {{ key }},
    {{ 'occurrence,' if clock }}
    {% for name in columns %}
    (array_agg({{ name }} order by precedence) filter (where {{ name }} is not null))[1] as {{ name }},
    {% endfor %}
    {% set main = columns[0] %}
    coalesce(
        (array_agg(device order by precedence) filter (where {{ main }} is not null))[1],
        (array_agg(device order by precedence))[1]
    ) as device,
    ({{ names }})[1 + coalesce(
        (array_agg(origin order by precedence) filter (where {{ main }} is not null))[1],
        (array_agg(origin order by precedence))[1]
    )] as made_from,
    (array_agg(file_id order by precedence))[1] as file_id,
    count(*) filter (where origin = 0) as raw_rows,
    {% for name in columns %}
    {{ 'or ' if not loop.first }}coalesce(min({{ name }}) filter (where is_compared) <> max({{ name }}) filter (where is_compared), false)
    {% endfor %}
    as has_conflict
from ranked
group by {{ row_keys }}
{% endmacro %}


{#
    One row a user and moment (or day) from the raw rows of all files, for datasets that no mart reads: views that cost nothing
    until somebody reads them.

    The greater file name wins, and within a file the row with the greater values, in the order of `columns`: staged name to
    raw name. The order of loading makes no difference.
#}
{% macro newest(dataset, moment, columns, key=none, is_zoned=false) %}
{% set key = key or moment %}
{% set later = ['file_name collate "C" desc'] %}
{% for name in columns %}{% do later.append(name ~ ' desc nulls last') %}{% endfor %}
with source as (

    select
        {{ participant_of('drop_row.user_id') }} as user_id,
        {% if is_zoned %}
        {{ local_time('drop_row.' ~ moment, 'drop_row') }} as {{ moment }},
        {% else %}
        drop_row.{{ moment }},
        {% endif %}
        {% for raw in columns.values() %}
        drop_row.{{ raw }},
        {% endfor %}
        drop_row._file_id,
        origin.file_name
    from {{ source('raw', dataset) }} as drop_row
    inner join {{ ref('stg_file') }} as origin on drop_row._file_id = origin.file_id
    {{ join_identifiers('drop_row.user_id') }}
    {% if is_zoned %}{{ join_time_zones(participant_of('drop_row.user_id')) }}{% endif %}
    where
        {{ is_plausible('drop_row.' ~ moment) }}
        {% if is_zoned %}and {{ has_day('drop_row') }}{% endif %}

),

renamed as (

    select
        user_id,
        {{ moment }}{{ '::date as ' ~ key if key != moment }},
        {% for name, raw in columns.items() %}
        {{ raw if raw == name else raw ~ ' as ' ~ name }},
        {% endfor %}
        _file_id as file_id,
        file_name
    from source

),

ranked as (

    select
        *,
        row_number() over (partition by user_id, {{ key }} order by {{ later | join(', ') }}) as precedence
    from renamed

)

select
    user_id,
    {{ key }},
    {% for name in columns %}
    {{ name }},
    {% endfor %}
    file_id
from ranked
where precedence = 1
{% endmacro %}
