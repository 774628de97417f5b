"""The SQL functions of the marts: the examples of macros/arrays.sql and macros/cusum.sql, and Python's own medians."""

import statistics
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.config import Database
from tests.integration.warehouse import Warehouse, opened

ABSENT = -(2**60)


@pytest.fixture(scope="module")
def functions(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A database that has the functions and no models."""
    with opened(server, template, tmp_path_factory.mktemp("dbt")) as warehouse:
        # dbt makes the functions before it runs anything
        warehouse.run("--select", "stg_file")
        yield warehouse


def value(warehouse: Warehouse, call: str) -> Any:
    ((answer,),) = warehouse.execute(f"select intermediate.{call}")
    return answer


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (f"array_sorted('{{30, {ABSENT}, 10}}')", [ABSENT, 10, 30]),
        (f"values_in('{{{ABSENT}, 10, 30}}')", 2),
        (f"values_in('{{{ABSENT}, {ABSENT}}}')", 0),
        ("values_in('{}')", 0),
        ("values_in(null)", None),
        (f"twice_median('{{{ABSENT}, 10, 30}}', 2)", 40),
        (f"twice_median('{{{ABSENT}, 10, 30, 40}}', 3)", 60),
        ("skip_farther('{10, 20, 40, 80, 160}', 5, 80, 0, 1)", 0),
        ("skip_farther('{10, 70, 75, 80, 160}', 5, 150, 0, 1)", 1),
        ("four_mads('{10, 20, 40, 80, 160}', 5, 80, 0)", 120),
        ("four_mads('{10, 20, 40, 80}', 4, 60, 1)", 60),
        ("median_of_four(10, null, 30, 20, 3)", 20),
        ("median_of_four(10, 40, 30, 20, 3)", 25),
        ("median_of_four(10, null, 30, 20, 4)", None),
        (f"values_among('{{{ABSENT}, 30, 10}}')", 2),
    ],
)
def test_a_worked_example(functions: Warehouse, call: str, answer: object) -> None:
    assert value(functions, call) == answer


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(values=st.lists(st.integers(0, 50), min_size=1, max_size=28), absent=st.integers(0, 3))
def test_median_and_mad_are_those_of_python(functions: Warehouse, values: list[int], absent: int) -> None:
    window = f"'{{{', '.join(map(str, [ABSENT] * absent + sorted(values)))}}}'"
    n = value(functions, f"values_in({window})")
    twice_median = value(functions, f"twice_median({window}, {n})")
    skipped = absent
    for step in (8, 4, 2, 1):
        skipped = value(functions, f"skip_farther({window}, {n}, {twice_median}, {skipped}, {step})")
    four_mads = value(functions, f"four_mads({window}, {n}, {twice_median}, {skipped})")
    median = statistics.median(values)
    assert n == len(values)
    assert twice_median / 2 == median
    assert four_mads / 4 == statistics.median(abs(each - median) for each in values)


def by_day(warehouse: Warehouse, call: str, levels: list[float | None]) -> list[Any]:
    """Return an aggregate over the days up to each, `level` being that of the day."""
    return [
        answer
        for (answer,) in warehouse.execute(
            f"select intermediate.{call} over (order by number rows between unbounded preceding and current row) "
            "from unnest(%s::float8[]) with ordinality as day (level, number) order by number",
            (levels,),
        )
    ]


@pytest.mark.parametrize(
    ("former", "sums"),
    [("null", [1.5, 3, 3, 0, 1, 10]), ("2::float8", [3.5, 5, 5, 1, 2, 10]), ("99", [10, 10, 10, 6, 7, 10])],
)
def test_a_cusum_goes_on_from_the_former_one_within_its_bounds(
    functions: Warehouse, former: str, sums: list[float]
) -> None:
    assert by_day(functions, f"cusum(level, {former}, 10)", [1.5, 1.5, None, -4, 1, 20]) == sums


@pytest.mark.parametrize(
    ("former", "latched"),
    [("null", [False, True, True, False, False, False]), ("true", [True, True, True, False, False, False])],
)
def test_a_verdict_begins_above_one_threshold_and_ends_below_another(
    functions: Warehouse, former: str, latched: list[bool]
) -> None:
    assert by_day(functions, f"latch(level, {former}, 5, 2.5)", [3, 6, 2.5, 2, 3, 5]) == latched
