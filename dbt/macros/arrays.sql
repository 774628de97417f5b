{#
    SQL functions for medians of a window. PostgreSQL has no window form of percentile_cont, so a model keeps a user's values
    in one array, an element a day: a window is a slice of it, and a median is read off the sorted slice.

    A day without a value holds `absent`, a number far below any value. It sorts to the front, so the values of a sorted
    window are its last `n` elements. Values are whole numbers and medians are doubled, so all arithmetic is exact.

    Each body is one expression, which the planner copies into the query. tests/integration/test_marts_functions.py has the
    examples below, and compares the functions with Python's statistics.
#}
{% macro absent() %}{{ -(2 ** 60) }}{% endmacro %}


{% macro create_functions() %}
    {% if execute %}
    {% set version = run_query("select current_setting('server_version_num')::int").columns[0][0] %}

    -- array_sorted({30, absent, 10}) = {absent, 10, 30}
    create or replace function {{ intermediate() }}.array_sorted(numbers bigint []) returns bigint []
    language sql immutable parallel safe
    return {{ 'array_sort(numbers)' if version >= 180000 else 'array(select n from unnest(numbers) as n order by n)' }};

    -- values_in({absent, 10, 30}) = 2; null for null
    create or replace function {{ intermediate() }}.values_in(sorted bigint []) returns int
    language sql immutable parallel safe
    return cardinality(sorted) - width_bucket({{ absent() }}, sorted);

    -- Twice the median of the last n elements. twice_median({absent, 10, 30}, 2) = 40, the median being 20
    create or replace function {{ intermediate() }}.twice_median(sorted bigint [], n int) returns bigint
    language sql immutable parallel safe
    return
        sorted[cardinality(sorted) - n + (n + 1) / 2]
        + sorted[cardinality(sorted) - n + (n + 2) / 2];

    /*
    The median absolute deviation (MAD) needs no second sort. Of n values, the (n + 1) / 2 nearest to the median lie side
    by side in the sorted window. `skipped` counts the elements before them, and the farther end of the block is the MAD.

    Example: {10, 20, 40, 80, 160} has the median 40. Its three nearest values are {10, 20, 40}, so 0 elements are skipped,
    and the MAD is 40 - 10 = 30.

    skip_farther is one step of the binary search for `skipped`: it skips `step` more elements if the last of them is
    farther from the median than the element that would then end the block.

    skip_farther({10, 20, 40, 80, 160}, 5, 80, 0, 1) = 0: 10 is not farther from 40 than 80 is
    skip_farther({10, 70, 75, 80, 160}, 5, 150, 0, 1) = 1: 10 is farther from 75 than 80 is
    */
    create or replace function {{ intermediate() }}.skip_farther(
        sorted bigint [], n int, twice_median bigint, skipped int, step int
    ) returns int
    language sql immutable parallel safe
    return skipped + case
        when sorted[skipped + step] + sorted[skipped + step + (n + 1) / 2] < twice_median then step
        else 0
    end;

    -- Four times the MAD, once the search has ended. four_mads({10, 20, 40, 80, 160}, 5, 80, 0) = 120.
    -- For an even n the MAD is the mean of the two middle distances: that of the farther end of the block, and that of the
    -- nearer of its two neighbours. four_mads({10, 20, 40, 80}, 4, 60, 1) = 60, the distances being 10, 10, 20 and 50
    create or replace function {{ intermediate() }}.four_mads(sorted bigint [], n int, twice_median bigint, skipped int)
    returns bigint
    language sql immutable parallel safe
    return case
        when n % 2 = 1
            then 2 * greatest(
                twice_median - 2 * sorted[skipped + 1],
                2 * sorted[skipped + (n + 1) / 2] - twice_median
            )
        else greatest(
            twice_median - 2 * sorted[skipped + 1],
            2 * sorted[skipped + n / 2] - twice_median
        ) + least(
            twice_median - 2 * sorted[skipped],
            2 * sorted[skipped + n / 2 + 1] - twice_median
        )
    end;

    -- The median of four values of which at least three are given. median_of_four(10, null, 30, 20) = 20,
    -- median_of_four(10, 40, 30, 20) = 25; null for fewer than `at_least` values. It was of another type, which `or replace`
    -- does not change
    drop function if exists {{ intermediate() }}.median_of_four(bigint, bigint, bigint, bigint, int);
    create function {{ intermediate() }}.median_of_four(a bigint, b bigint, c bigint, d bigint, at_least int)
    returns double precision
    language sql immutable parallel safe
    return case
        when num_nonnulls(a, b, c, d) >= at_least
            then (
                coalesce(a, 0) + coalesce(b, 0) + coalesce(c, 0) + coalesce(d, 0)
                - least(a, b, c, d) - greatest(a, b, c, d)
            )::double precision / (num_nonnulls(a, b, c, d) - 2)
    end;

    -- How many of the elements are values. values_among({absent, 10, 30}) = 2, of whatever order
    create or replace function {{ intermediate() }}.values_among(numbers bigint []) returns int
    language sql immutable parallel safe
    return cardinality(array_remove(numbers, {{ absent() }}));
    {% endif %}
{% endmacro %}
