"""All models on Citus, after random changes: as on plain PostgreSQL, and as the independent implementation says."""

from datetime import date

import pytest

from tests.citus.pair import Pair
from tests.integration.changes import Changes
from tests.integration.study import Study
from tests.integration.warehouse import assert_marts_are_right


@pytest.mark.parametrize("seed", [3, 4])
def test_all_relations_are_those_of_plain_postgresql(pair: Pair, seed: int) -> None:
    study = Study(seed, people=14, start=date(2025, 11, 25))
    until = 45
    pair.put("daily_activity", "daily_activity_045.csv", study.activity(0, until))
    pair.put("sleep", "sleep_045.csv", study.sleep(0, until))
    pair.put("hourly_steps", "hourly_steps_045.csv", study.hourly(20, until + 2))
    pair.put("minute_activity", "minutes_045.csv", study.minutes(until, until + 3, study.people[5:8]))
    pair.put("heart_rate", "heart_rate_045.csv", study.heart(30, until, study.people[2:5]))
    pair.put("sync_events", "sync_events_045.csv", study.syncs(0, until, study.people[1:]))
    pair.put("battery", "battery_045.csv", study.charges(0, until, study.people[2:]))
    pair.build()
    assert_marts_are_right(pair.spread)
    changes = Changes(study, pair, until)
    for _ in range(6):
        for _ in range(int(study.random.integers(1, 5))):
            changes.one()
        pair.build()
        assert_marts_are_right(pair.spread)
    # nothing new
    pair.build()
    pair.build("--full-refresh")
