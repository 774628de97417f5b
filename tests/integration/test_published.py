"""Figures that others published of the exports of April 2016, taken from the marts.

The exports are those of Furberg, Brinton, Keating and Ortiz 2016, Crowd-sourced Fitbit datasets 03.12.2016-05.12.2016,
doi:10.5281/zenodo.53894. The public analyses are those of the same files on Kaggle (FitBit Fitness Tracker Data), whose
means are of the file as it is. The exports are not ours to copy: FITABASE_2016_04 names their folder.
"""

from collections.abc import Iterator

import pytest

from ingestion.config import Database
from tests import optional
from tests.integration.test_marts_golden import EXPORTED, EXPORTS, export
from tests.integration.warehouse import Warehouse, opened

pytestmark = pytest.mark.skipif(not EXPORTS.is_dir(), reason=optional.EXPORTS.what)

# what was published, and the query of the marts
FIGURES = {
    "participants": (33, "select count(*) from marts.dim_participant where has_data"),
    "days": (940, "select count(*) from marts.fct_user_day where has_record"),
    "mean steps": (7638, "select round(avg(steps)) from marts.fct_user_day"),
    "days without a step": (77, "select count(*) from marts.fct_user_day where steps = 0"),
    "days with steps": (863, "select count(*) from marts.fct_user_day where steps > 0"),
    "mean of the days with steps": (8319, "select round(avg(steps)) from marts.fct_user_day where steps > 0"),
    "mean distance, km": (5.49, "select round(avg(distance_km)::numeric, 2) from marts.fct_user_day"),
    "mean calories": (2304, "select round(avg(calories)) from marts.fct_user_day"),
    "mean sedentary minutes": (991.2, "select round(avg(sedentary_minutes), 1) from marts.fct_user_day"),
    "mean lightly active minutes": (192.8, "select round(avg(lightly_active_minutes), 1) from marts.fct_user_day"),
    "mean fairly active minutes": (13.56, "select round(avg(fairly_active_minutes), 2) from marts.fct_user_day"),
    "mean very active minutes": (21.16, "select round(avg(very_active_minutes), 2) from marts.fct_user_day"),
    "participants with sleep": (
        24,
        "select count(distinct user_id) from marts.fct_user_day where minutes_asleep is not null",
    ),
    "nights": (
        413,
        "select max(rows_in) from marts.fct_data_quality where rule = 'sleep.one_row_a_user_and_day'",
    ),
    "nights without duplicates": (410, "select count(*) from marts.fct_user_day where minutes_asleep is not null"),
    "mean minutes asleep": (419.2, "select round(avg(minutes_asleep), 1) from marts.fct_user_day"),
    "mean minutes in bed": (458.5, "select round(avg(minutes_in_bed), 1) from marts.fct_user_day"),
}
# mean steps and days under each definition of a day that counts
DEFINITIONS = {
    "every_record": (7638, 940),
    # both are published
    "at_least_1": (8319, 863),
    "at_least_500": (8523, 842),
    "at_least_1000": (8626, 831),
    "plausible": (8417, 853),
    "worn": (9067, 754),
    "plausible_and_worn": (9067, 754),
    "valid": (9083, 750),
}


@pytest.fixture(scope="module")
def april(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with opened(server, template, tmp_path_factory.mktemp("dbt")) as warehouse:
        for source, name in EXPORTED.items():
            warehouse.put(source, name, export(source, name))
        warehouse.run()
        yield warehouse


@pytest.mark.parametrize("figure", FIGURES)
def test_a_published_figure_comes_out_of_the_marts(april: Warehouse, figure: str) -> None:
    published, query = FIGURES[figure]
    assert float(april.execute(query)[0][0]) == published


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_the_mean_steps_depend_on_which_days_count(april: Warehouse, definition: str) -> None:
    found = april.execute(
        "select round(mean_steps), user_days from marts.rpt_definitions "
        "where arm = 'all' and site = 'all' and definition = %s",
        (definition,),
    )
    assert found == [DEFINITIONS[definition]]


def test_the_flow_ends_in_the_valid_days(april: Warehouse) -> None:
    flow = april.frame(
        "select step, users, user_days from marts.rpt_flow where arm = 'all' and site = 'all' order by position"
    )
    ((valid,),) = april.execute("select count(*) from marts.fct_user_day where is_valid_day")
    kept = dict(zip(flow["step"], flow["user_days"], strict=True))
    assert (kept["any_record"], kept["plausible"]) == (940, valid)
    assert flow["user_days"].dropna().is_monotonic_decreasing
