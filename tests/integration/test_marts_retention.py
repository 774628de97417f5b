"""rpt_retention of a published trial: the leukaemia patients of Freireich et al. (1963, Blood 21:699-716).

Their weeks of remission are the textbook example of the estimator; here, they are days in a study.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import pandas as pd
import pytest

from ingestion.config import Database
from tests.integration.warehouse import Warehouse, assert_marts_are_right, opened

AS_OF = date(2026, 3, 31)
STOPPED = {
    "6-MP": [6, 6, 6, 7, 10, 13, 16, 22, 23],
    "placebo": [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23],
}
CENSORED = {"6-MP": [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]}
# day, at risk, stopped, censored, share, interval of 95 per cent: KaplanMeierFitter of lifelines 0.30.3
LIFELINES = {
    "6-MP": [
        (0, 21, 0, 0, 1.0, 1.0, 1.0),
        (6, 21, 3, 1, 0.857143, 0.619718, 0.951552),
        (7, 17, 1, 0, 0.806723, 0.563147, 0.922809),
        (9, 16, 0, 1, 0.806723, 0.563147, 0.922809),
        (10, 15, 1, 1, 0.752941, 0.5032, 0.889362),
        (11, 13, 0, 1, 0.752941, 0.5032, 0.889362),
        (13, 12, 1, 0, 0.690196, 0.43161, 0.849066),
        (16, 11, 1, 0, 0.627451, 0.367511, 0.804912),
        (17, 10, 0, 1, 0.627451, 0.367511, 0.804912),
        (19, 9, 0, 1, 0.627451, 0.367511, 0.804912),
        (20, 8, 0, 1, 0.627451, 0.367511, 0.804912),
        (22, 7, 1, 0, 0.537815, 0.267779, 0.746791),
        (23, 6, 1, 0, 0.448179, 0.188052, 0.680143),
        (25, 5, 0, 1, 0.448179, 0.188052, 0.680143),
        (32, 4, 0, 2, 0.448179, 0.188052, 0.680143),
        (34, 2, 0, 1, 0.448179, 0.188052, 0.680143),
        (35, 1, 0, 1, 0.448179, 0.188052, 0.680143),
    ],
    "placebo": [
        (0, 21, 0, 0, 1.0, 1.0, 1.0),
        (1, 21, 2, 0, 0.904762, 0.670046, 0.975294),
        (2, 19, 2, 0, 0.809524, 0.568905, 0.923889),
        (3, 17, 1, 0, 0.761905, 0.519391, 0.893257),
        (4, 16, 2, 0, 0.666667, 0.42535, 0.825044),
        (5, 14, 2, 0, 0.571429, 0.337977, 0.749241),
        (8, 12, 4, 0, 0.380952, 0.183067, 0.577789),
        (11, 8, 2, 0, 0.285714, 0.116561, 0.48182),
        (12, 6, 2, 0, 0.190476, 0.059482, 0.377435),
        (15, 4, 1, 0, 0.142857, 0.035657, 0.321162),
        (17, 3, 1, 0, 0.095238, 0.016259, 0.26125),
        (22, 2, 1, 0, 0.047619, 0.003324, 0.197045),
        (23, 1, 1, 0, 0.0, 0.0, 0.0),
    ],
}


@pytest.fixture
def warehouse(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with opened(server, template, tmp_path_factory.mktemp("dbt")) as warehouse:
        yield warehouse


def test_the_estimates_are_those_of_lifelines(warehouse: Warehouse) -> None:
    roster, worn = [], []
    for has_stopped, arms in ((True, STOPPED), (False, CENSORED)):
        for arm, weeks in arms.items():
            for number, days in enumerate(weeks):
                user = f"{arm} {has_stopped} {number}"
                last = AS_OF - timedelta(14 if has_stopped else 0)
                roster.append((user, last - timedelta(days - 1), arm))
                # the last record is partial
                worn += [(user, last, 5000), (user, last + timedelta(1), 5000)]
    warehouse.put("participants", "roster.csv", pd.DataFrame(roster, columns=["user_id", "enrolled_on", "arm"]))
    warehouse.put("daily_activity", "days.csv", pd.DataFrame(worn, columns=["user_id", "activity_date", "total_steps"]))
    warehouse.run()
    assert warehouse.execute("select as_of_date from intermediate.int_as_of") == [(AS_OF,)]
    for arm, wanted in LIFELINES.items():
        rows = warehouse.execute(
            "select day, at_risk, stopped, censored, staying, staying_low, staying_high "
            "from marts.rpt_retention where arm = %s and site = 'all' order by day",
            (arm,),
        )
        assert [row[:4] for row in rows] == [row[:4] for row in wanted]
        for row, figures in zip(rows, wanted, strict=True):
            assert row[4:] == pytest.approx(figures[4:], abs=1e-6)
    began = "select at_risk from marts.rpt_retention where arm = 'all' and site = 'all' and day = 0"
    assert warehouse.execute(began) == [(42,)]
    assert_marts_are_right(warehouse)
