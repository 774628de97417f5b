{#
    SQL functions that go on from day to day, as aggregates over a window that ends with the day. Each takes what it was on the
    day before the window (`former`), so that an incremental run goes on from a stored row and gets the same as a full build.
    `former` is null for a new participant.

    Their steps are in PL/pgSQL, which calls one in a quarter of the time that a function in SQL takes.
    tests/integration/test_marts_functions.py has the examples below.
#}
{% macro create_cusum_functions() %}
    /*
    cusum(increment, former, cap): the cumulative sum of Page (1954), which is never below 0 nor above the cap.
    A day without an increment leaves it as it is.

    Increments of 1.5, 1.5, null, -4, 1 and 20, with a cap of 10: 1.5, 3, 3, 0, 1, 10. With a former sum of 2: 3.5, 5, 5, 1, 2, 10
    */
    create or replace function {{ intermediate() }}.cusum_step(
        level double precision, increment double precision, former double precision, cap double precision
    ) returns double precision
    language plpgsql immutable parallel safe as $$
    begin
        return least(cap, greatest(0::double precision, coalesce(level, former, 0) + coalesce(increment, 0)));
    end
    $$;
    create or replace aggregate {{ intermediate() }}.cusum(double precision, double precision, double precision) (
        sfunc = {{ intermediate() }}.cusum_step, stype = double precision, parallel = safe
    );

    /*
    latch(level, former, on_above, off_below): true from the day on which the level is above the one threshold until it is below
    the other.

    Levels of 3, 6, 3, 2 and 3, on above 5, off below 2.5: false, true, true, false, false. With a former true: true, true, true,
    false, false
    */
    create or replace function {{ intermediate() }}.latch_step(
        latched boolean, level double precision, former boolean, on_above double precision, off_below double precision
    ) returns boolean
    language plpgsql immutable parallel safe as $$
    begin
        return level > on_above or (level >= off_below and coalesce(latched, former, false));
    end
    $$;
    create or replace aggregate {{ intermediate() }}.latch(double precision, boolean, double precision, double precision) (
        sfunc = {{ intermediate() }}.latch_step, stype = boolean, parallel = safe
    );
{% endmacro %}
