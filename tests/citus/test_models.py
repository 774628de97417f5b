"""All models on Citus, after random changes: as on plain PostgreSQL, and as the independent implementation says."""

from datetime import date

import pytest

from tests.citus.pair import Pair
from tests.integration.changes import FIRST_DAYS, Changes, load_first
from tests.integration.study import Study
from tests.integration.warehouse import assert_marts_are_right


@pytest.mark.parametrize("seed", [3, 4])
def test_all_relations_are_those_of_plain_postgresql(pair: Pair, seed: int) -> None:
    study = Study(seed, people=14, start=date(2025, 11, 25))
    load_first(study, pair)
    pair.build()
    assert_marts_are_right(pair.spread)
    changes = Changes(study, pair, FIRST_DAYS)
    for _ in range(6):
        changes.some()
        pair.build()
        assert_marts_are_right(pair.spread)
    # nothing new
    pair.build()
    pair.build("--full-refresh")
