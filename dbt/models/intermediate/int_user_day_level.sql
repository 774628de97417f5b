{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{{ fill_changed_user() }}",
    post_hook="{{ consume(ref('int_user_extent')) }}",
    meta={
        'distribution': 'user_id',
        'replaces': 'old.activity_date >= changed_user.from_date',
    },
) }}

{#
    An incremental run goes on from the row of the day before the change. The steps:

    user_day_before  the days to build, each with that row
    counted          days and valid days so far
    started          the start that the day is compared with
    scored           how far the day is from the start: z of log steps, and the evidence of wearing the device less
    summed           the CUSUMs (macros/cusum.sql)
#}
{% set state = {
    'valid_days': 'int',
    'first_days_worn': 'int',
    'last_valid_date': 'date',
    'last_worn_date': 'date',
    'cusum_down': 'double precision',
    'cusum_up': 'double precision',
    'cusum_wear': 'double precision',
    'is_declining': 'boolean',
    'is_increasing': 'boolean',
    'is_wearing_less': 'boolean',
    'down_since': 'date',
    'up_since': 'date',
    'wear_since': 'date',
} %}
{% set until_day %}(partition by user_id order by activity_date rows between unbounded preceding and current row){% endset %}

with user_day_before as (

    select
        user_day.user_id,
        user_day.activity_date,
        user_day.is_valid_day,
        user_day.is_partial_day,
        user_day.steps >= {{ var('min_steps') }} as is_worn,
        user_day.activity_date - changed_user.first_date as days_before,
        changed_user.from_date,
        case when user_day.is_valid_day then ln(user_day.steps::double precision) end as log_steps,
        {% for column, type in state.items() %}
        {{ 'former.' ~ column if is_incremental() else 'null::' ~ type }} as former_{{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ changed_user() }}
    inner join {{ ref('fct_user_day') }} as user_day
        on
            changed_user.user_id = user_day.user_id
            {% if is_incremental() %}
            and user_day.activity_date between changed_user.from_date and changed_user.last_date
            {% endif %}
    {% if is_incremental() %}
    left join {{ this }} as former
        on changed_user.user_id = former.user_id and former.activity_date = changed_user.from_date - 1
    {% endif %}

),

counted as (

    select
        *,
        coalesce(former_valid_days, 0) + (count(log_steps) over until_day)::int as valid_days,
        coalesce(former_first_days_worn, 0)
        + (count(log_steps) filter (where days_before < {{ var('max_start_days') }}) over until_day)::int as first_days_worn,
        coalesce(max(activity_date) filter (where is_valid_day) over until_day, former_last_valid_date) as last_valid_date,
        coalesce(max(activity_date) filter (where is_worn) over until_day, former_last_worn_date) as last_worn_date
    from user_day_before
    window until_day as {{ until_day }}

),

started as (

    select
        counted.*,
        so_far.start_valid_days,
        own_start.mean_log_steps,
        own_start.sd_log_steps,
        own_start.median_steps,
        own_start.median_wear_minutes,
        own_start.median_wear_hours,
        case
            when counted.days_before >= {{ var('min_start_days') }}
                then least(
                    {{ var('max_wear_rate') }}::double precision,
                    (so_far.start_days_worn + 1)::double precision / (so_far.start_days + 2)
                )
        end as start_wear_rate
    from counted
    -- of the days before this one
    cross join lateral (
        select
            least({{ var('max_start_days') }}, counted.valid_days - counted.is_valid_day::int) as start_valid_days,
            least({{ var('max_start_days') }}, counted.days_before) as start_days,
            counted.first_days_worn
            - (counted.is_valid_day and counted.days_before < {{ var('max_start_days') }})::int as start_days_worn
    ) as so_far
    -- limit 1: looks it up in the index; for all days at once the planner joins in less time
    left join lateral (
        select known.*
        from {{ ref('int_user_start') }} as known
        where known.user_id = counted.user_id and known.start_valid_days = so_far.start_valid_days
        {% if is_incremental() %}limit 1{% endif %}
    ) as own_start on true

),

scored as (

    select
        *,
        case
            when log_steps is not null and sd_log_steps >= {{ var('min_start_sd') }}
                then greatest(-{{ var('z_clip') }}, least({{ var('z_clip') }}, (log_steps - mean_log_steps) / sd_log_steps))
        end as z,
        case
            when is_partial_day or start_wear_rate < {{ var('min_wear_rate') }} then null
            when is_valid_day then ln((start_wear_rate - {{ var('wear_drop') }}::double precision) / start_wear_rate)
            else ln((1 - start_wear_rate + {{ var('wear_drop') }}::double precision) / (1 - start_wear_rate))
        end as wear_evidence
    from started

),

summed as (

    select
        *,
        {% for direction, evidence in {
            'down': '-z - ' ~ var('cusum_slack') ~ '::double precision',
            'up': 'z - ' ~ var('cusum_slack') ~ '::double precision',
            'wear': 'wear_evidence',
        }.items() %}
        {{ intermediate() }}.cusum({{ evidence }}, former_cusum_{{ direction }}, {{ var('wear_cap' if direction == 'wear' else 'cusum_cap') }})
            over until_day as cusum_{{ direction }}{{ ',' if not loop.last }}
        {% endfor %}
    from scored
    window until_day as {{ until_day }}

)

select
    user_id,
    activity_date,
    valid_days,
    first_days_worn,
    last_valid_date,
    last_worn_date,
    start_valid_days,
    median_steps as start_median_steps,
    median_wear_minutes as start_wear_minutes,
    median_wear_hours as start_wear_hours,
    start_wear_rate,
    z::real as z,
    {% for direction, verdict in {'down': 'declining', 'up': 'increasing', 'wear': 'wearing_less'}.items() %}
    {% set on, off = ('wear_on', 'wear_off') if direction == 'wear' else ('cusum_on', 'cusum_off') %}
    cusum_{{ direction }},
    {{ intermediate() }}.latch(
        cusum_{{ direction }}, former_is_{{ verdict }}, {{ var(on) }}, {{ var(off) }}
    ) over until_day as is_{{ verdict }},
    -- the day after the sum was last 0
    case
        when cusum_{{ direction }} > 0
            then coalesce(
                max(activity_date) filter (where cusum_{{ direction }} = 0) over until_day + 1,
                former_{{ direction }}_since,
                from_date
            )
    end as {{ direction }}_since{{ ',' if not loop.last }}
    {% endfor %}
from summed
window until_day as {{ until_day }}
