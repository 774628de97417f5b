"""The roster in the marts: whom an identifier means, who takes part, and what a correction builds again."""

import re
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from ingestion.config import ROOT, Database
from tests.integration.warehouse import KEYS, Warehouse, assert_marts_are_right, assert_same, opened


@pytest.fixture(scope="module")
def built(server: Database, template: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with opened(server, template, tmp_path_factory.mktemp("dbt")) as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(built: Warehouse) -> Warehouse:
    """A warehouse without files; dbt has seen the former ones go."""
    for name, source in built.execute(
        "select source_filename, source from ops.raw_ingest_manifest where status = 'loaded'"
    ):
        built.retract(source, name)
    built.run()
    return built


def test_a_corrected_identifier_rebuilds_both_participants_and_nobody_else(warehouse: Warehouse) -> None:
    warehouse.put("daily_activity", "all.csv", january(["1", "2", "3", "4"], 1, 8))
    warehouse.put("daily_activity", "one.csv", january(["1"], 9, 10))
    warehouse.put("identifiers", "identifiers.csv", meaning({"1": "P-1", "2": "P-2", "3": "P-3"}))
    warehouse.run()
    assert users_of(warehouse) == {"P-1", "P-2", "P-3", "4"}

    warehouse.put("identifiers", "identifiers.csv", meaning({"1": "P-1", "2": "P-1", "3": "P-3"}))
    written = rows_written(warehouse.run().results)
    assert written["stg_daily_activity"] == 8, "the days of P-1 that P-2 had; P-2 has none left"
    assert written["fct_user_day"] == 8
    assert users_of(warehouse) == {"P-1", "P-3", "4"}
    assert_marts_are_right(warehouse)

    # no chain: 4 is called 3, and 3 is P-3, but 4 is not P-3
    warehouse.put("identifiers", "identifiers.csv", meaning({"1": "P-1", "2": "P-1", "3": "P-3", "4": "3"}))
    assert rows_written(warehouse.run().results)["stg_daily_activity"] == 8
    assert users_of(warehouse) == {"P-1", "P-3", "3"}
    assert_marts_are_right(warehouse)

    twice = pd.concat([meaning({"1": "P-1", "2": "P-1", "3": "P-3", "4": "3"}), meaning({"3": "P-4"})])
    warehouse.put("identifiers", "identifiers.csv", twice)
    results = warehouse.build().results
    assert {str(r.status) for r in results if r.node.name == "identifier_means_one_participant"} == {"warn"}
    assert users_of(warehouse) == {"P-1", "3"}, "neither P-3 nor P-4"
    assert_marts_are_right(warehouse)

    warehouse.retract("identifiers", "identifiers.csv")
    warehouse.run()
    assert users_of(warehouse) == {"1", "2", "3", "4"}
    assert_marts_are_right(warehouse)
    assert rows_written(warehouse.run().results)["fct_user_day"] == 0
    assert_a_full_build_gives_the_same(warehouse)


def test_the_rows_of_others_are_not_touched(warehouse: Warehouse) -> None:
    warehouse.put("daily_activity", "all.csv", january(["1", "2", "3"], 1, 20))
    warehouse.put("identifiers", "identifiers.csv", meaning({"1": "P-1", "2": "P-2", "3": "P-3"}))
    warehouse.run()
    tables = warehouse.execute(
        "select c.oid::regclass::text from pg_class as c join pg_attribute as a on a.attrelid = c.oid"
        " where a.attname = 'user_id' and c.relkind = 'r'"
        " and (c.relnamespace::regnamespace::text in ('staging', 'marts') or c.relname like 'int_user_day_%%')"
        " and c.relname not in ('stg_participants', 'dim_participant', 'rpt_follow_up')"
    )
    rows = {
        table: f"select xmin::text, ctid::text from {table} where user_id = 'P-3' order by ctid" for (table,) in tables
    }
    before = {table: warehouse.execute(query) for table, query in rows.items()}
    assert sum(map(bool, before.values())) > 4

    warehouse.put("identifiers", "identifiers.csv", meaning({"1": "P-2", "2": "P-1", "3": "P-3"}))
    warehouse.run()

    assert {table: warehouse.execute(query) for table, query in rows.items()} == before
    assert_a_full_build_gives_the_same(warehouse)


def test_everybody_on_the_roster_exists(warehouse: Warehouse) -> None:
    warehouse.put("daily_activity", "all.csv", january(["1", "2"], 1, 8))
    warehouse.put("identifiers", "identifiers.csv", meaning({"1": "P-1"}))
    roster = pd.DataFrame({"user_id": ["P-1", "never"], "enrolled_on": ["2026-01-03", "2026-01-02"], "arm": ["A", "B"]})
    warehouse.put("participants", "participants.csv", roster)
    warehouse.build()
    people = (
        "select user_id, is_on_roster, has_data, arm, enrolled_days, days_before_enrolment from marts.dim_participant"
    )
    # as of 7 January
    assert warehouse.execute(f"{people} order by 1") == [
        ("2", False, True, None, None, None),
        ("P-1", True, True, "A", 5, 2),
        ("never", True, False, "B", 6, None),
    ]
    known = "select arm, site, users from marts.rpt_flow where step = 'known' order by 1, 2"
    assert warehouse.execute(known) == [("A", "all", 1), ("B", "all", 1), ("all", "all", 3)]
    assert_marts_are_right(warehouse)
    # of docs/roster.md: who takes part and has sent nothing for a week; `never` has been there for six days
    (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "roster.md").read_text("utf-8"), re.DOTALL)
    assert warehouse.execute(query) == []
    assert [user for user, *_ in warehouse.execute(query.replace("> 7", "> 5"))] == ["never"]

    warehouse.retract("participants", "participants.csv")
    warehouse.build()
    assert [row[:3] for row in warehouse.execute(f"{people} order by 1")] == [("2", False, True), ("P-1", False, True)]
    assert warehouse.execute(known) == [("all", "all", 2)]


def test_another_enrolment_changes_the_founders_of_all_weeks(warehouse: Warehouse) -> None:
    warehouse.put("daily_activity", "all.csv", pd.concat([january(["1", "2"], 1, 31), january(["3"], 20, 31)]))
    warehouse.run()
    founders = (
        "select week_start_date::text, users from marts.rpt_cohort_engagement"
        " where arm = 'all' and site = 'all' and cohort = 'founders' and status = 'all' order by 1"
    )
    # 30 January is the as-of date; participant 3 begins in the fourth week
    weeks = ["2025-12-29", "2026-01-05", "2026-01-12", "2026-01-19", "2026-01-26"]
    assert warehouse.execute(founders) == [(week, 2) for week in weeks]

    roster = pd.DataFrame({"user_id": ["3"], "enrolled_on": ["2026-01-03"]})
    warehouse.put("participants", "participants.csv", roster)
    written = rows_written(warehouse.run().results)
    assert warehouse.execute(founders) == [(week, 3) for week in weeks]
    assert written["fct_user_day"] == 0
    assert_marts_are_right(warehouse)
    assert rows_written(warehouse.run().results)["rpt_cohort_engagement"] == 0

    # another arm, and nothing else
    groups = (
        "select arm, site, count(distinct week_start_date) from marts.rpt_cohort_engagement"
        " group by arm, site order by arm, site"
    )
    for arm, site in (("A", "Wien"), ("B", "all")):
        warehouse.put("participants", "participants.csv", roster.assign(arm=arm, site=site))
        assert rows_written(warehouse.run().results)["fct_user_day"] == 0
        assert_marts_are_right(warehouse)
    assert warehouse.execute(groups) == [("B", "all", 5), ("all", "all", 5)]

    # a founding week that nobody else has
    warehouse.put("participants", "participants.csv", roster.assign(enrolled_on="2025-12-20"))
    warehouse.run()
    assert {users for _, users in warehouse.execute(founders)} == {1}
    assert_marts_are_right(warehouse)
    warehouse.retract("participants", "participants.csv")
    warehouse.run()
    assert warehouse.execute(founders) == [(week, 2) for week in weeks]
    assert_a_full_build_gives_the_same(warehouse)


def test_a_roster_that_is_probably_wrong_is_warned_of(warehouse: Warehouse) -> None:
    warehouse.put("daily_activity", "all.csv", january(["1", "2", "3"], 1, 8))
    identifiers = pd.concat([meaning({"1": "P-1", "2": "typo"}), meaning({"3": "P-1"}), meaning({"3": "P-2"})])
    warehouse.put("identifiers", "identifiers.csv", identifiers)
    rows = [
        ("P-1", "Middle/Earth", "2026-01-05", "2026-01-04", "A"),
        ("P-2", "europe/zurich", "2026-01-01", "2026-01-31", "A"),
        ("P-2", "Europe/Zurich", "2026-01-01", "2026-01-31", "B"),
    ]
    roster = pd.DataFrame(rows, columns=["user_id", "time_zone", "enrolled_on", "ends_on", "arm"])
    warehouse.put("participants", "participants.csv", roster)

    results = warehouse.build().results

    assert {each.node.name: each.failures for each in results if str(each.status) == "warn"} == {
        "identifier_means_one_participant": 1,
        "identifiers_mean_somebody_on_the_roster": 1,
        "roster_dates_in_order": 1,
        "roster_has_known_time_zones": 1,
        "roster_has_one_value_a_participant": 1,
    }
    assert warehouse.execute("select user_id, time_zone from marts.dim_participant order by 1") == [
        *(("3", None), ("P-1", None)),
        *(("P-2", "Europe/Zurich"), ("typo", None)),
    ]


def test_another_time_zone_rebuilds_its_participant_and_nobody_else(warehouse: Warehouse) -> None:
    warehouse.put("daily_activity", "all.csv", january(["1", "2"], 1, 8))
    for zone, days in (("Europe/Zurich", 16), ("Europe/Paris", 8), ("Europe/Paris", 0)):
        roster = pd.DataFrame([("1", zone), ("2", "UTC")], columns=["user_id", "time_zone"])
        warehouse.put("participants", "participants.csv", roster)
        assert rows_written(warehouse.run().results)["stg_daily_activity"] == days


def assert_a_full_build_gives_the_same(warehouse: Warehouse) -> None:
    incremental = {mart: warehouse.mart(mart) for mart in KEYS if mart != "fct_data_quality"}
    warehouse.run("--full-refresh")
    for mart, frame in incremental.items():
        assert_same(warehouse.mart(mart), frame, mart)


def meaning(users: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(users.items(), columns=["identifier", "user_id"])


def users_of(warehouse: Warehouse) -> set[str]:
    return {user for (user,) in warehouse.execute("select distinct user_id from marts.fct_user_day")}


def january(users: list[str], first: int, last: int) -> pd.DataFrame:
    days = [(user, f"2026-01-{day:02}", 5000 + 100 * day) for user in users for day in range(first, last + 1)]
    return pd.DataFrame(days, columns=["user_id", "activity_date", "total_steps"])


def rows_written(results: Any) -> dict[str, int]:
    return {result.node.name: result.adapter_response.get("rows_affected") for result in results}
