"""The follow-up list: what is new since a list was shown, what is over, and who is forgotten."""

import os
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from ingestion import db, follow_up, retraction
from ingestion.config import Database
from ingestion.follow_up import FollowUp, Kind, Resolved, ToldBy
from tests.conftest import execute
from tests.follow_up import AS_OF, days_ago, entry, write_marts
from tests.integration.conftest import Rows

LISTS = "select told_by, as_of_date from ops.follow_up_lists order by 1, 2"


def read(
    engine: db.Engine, told_by: ToldBy = "report", *, most: int | None = None, also: Sequence[str] = ()
) -> FollowUp:
    with db.session(engine) as connection:
        return follow_up.read(connection, told_by, most=most, also=also)


def show(engine: db.Engine, told_by: ToldBy = "report", *, most: int | None = None) -> None:
    """Read the list and record it, as a report or a digest does."""
    told = read(engine, told_by, most=most)
    with db.transaction(engine) as connection:
        follow_up.record(connection, told_by, uuid4(), told)


def test_the_mart_may_be_missing(engine: db.Engine) -> None:
    with db.session(engine) as connection:
        assert not follow_up.exists(connection)
    write_marts(engine)
    with db.session(engine) as connection:
        assert follow_up.exists(connection)


def test_entries_have_the_columns_of_the_mart_in_its_order(engine: db.Engine) -> None:
    write_marts(
        engine,
        entry("b", "never_started", cause="unknown", arm="A", site="Graz"),
        entry("a", "moving_less", evidence=6.5, threshold=5.0, usual_steps=9000.0, recent_steps=6100.0),
    )
    found = read(engine)
    assert [(each.position, each.user_id, each.reason) for each in found.entries] == [
        (1, "b", "never_started"),
        (2, "a", "moving_less"),
    ]
    assert (found.entries[0].arm, found.entries[0].site, found.entries[0].cause) == ("A", "Graz", "unknown")
    assert (found.entries[1].evidence, found.entries[1].usual_steps) == (6.5, 9000.0)
    assert found.entries[1].since_date == days_ago(10)


def test_without_an_earlier_list_nothing_is_new(engine: db.Engine) -> None:
    write_marts(engine, entry("a", "stopped"))
    show(engine)
    found = read(engine)
    assert (found.as_of_date, found.compared_with, found.resolved) == (AS_OF, None, [])
    assert [each.is_new for each in found.entries] == [False]


def test_a_list_is_counted_and_recorded_whole_whatever_is_read_of_it(engine: db.Engine, rows: Rows) -> None:
    earlier = [entry(name, "stopped") for name in ("a", "b", "c")]
    write_marts(engine, *earlier, as_of_date=days_ago(7))
    show(engine, most=1)
    now = [entry("d", "stopped", arm="A"), entry("b", "moving_less"), entry("c", "stopped", cause="not_worn")]
    write_marts(engine, *now, statuses={"a": "stable"})
    found = read(engine, most=1)
    assert [each.user_id for each in found.entries] == ["d"]
    assert [each.user_id for each in read(engine, most=1, also=["c", "nobody"]).entries] == ["d", "c"]
    # with the whole list, b and c are known from the list before
    assert found.resolved == [Resolved("a", "stopped", "stable")]
    assert found.reasons == {"d": "stopped", "b": "moving_less", "c": "stopped"}
    assert found.counts == {
        Kind("A", None, "stopped", None, is_new=True): 1,
        Kind(None, None, "moving_less", None, is_new=True): 1,
        Kind(None, None, "stopped", "not_worn", is_new=False): 1,
    }
    assert found.counts == read(engine).counts
    show(engine, most=1)
    recorded = "select user_id, reason from ops.follow_up_entries natural join ops.follow_up_lists where as_of_date = "
    assert dict(rows(f"{recorded} '{AS_OF}'")) == found.reasons


def test_new_is_who_was_not_on_the_earlier_list_for_this_reason(engine: db.Engine) -> None:
    write_marts(
        engine,
        *(entry("same", "stopped"), entry("other", "wearing_less"), entry("over", "moving_less")),
        *(entry("left", "stopped"), entry("retracted", "stopped")),
        as_of_date=days_ago(7),
    )
    show(engine)
    write_marts(
        engine,
        *(entry("same", "stopped"), entry("other", "moving_less"), entry("another", "never_started")),
        statuses={"over": "stable", "left": "withdrawn"},
    )
    found = read(engine)
    assert found.compared_with == days_ago(7)
    assert {each.user_id: each.is_new for each in found.entries} == {"same": False, "other": True, "another": True}
    assert found.resolved == [
        Resolved("left", "stopped", "withdrawn"),
        Resolved("over", "moving_less", "stable"),
        Resolved("retracted", "stopped", None),
    ]


def test_an_empty_list_is_compared_with_too(engine: db.Engine) -> None:
    write_marts(engine, statuses={"a": "stable"}, as_of_date=days_ago(1))
    show(engine)
    write_marts(engine, entry("a", "stopped"))
    assert [each.is_new for each in read(engine).entries] == [True]
    show(engine)
    write_marts(engine, statuses={"a": "stable"}, as_of_date=AS_OF + timedelta(days=1))
    found = read(engine)
    assert (found.as_of_date, found.compared_with, found.entries) == (AS_OF + timedelta(days=1), AS_OF, [])
    assert found.resolved == [Resolved("a", "stopped", "stable")]


def test_marts_without_anybody_are_no_list(engine: db.Engine, rows: Rows) -> None:
    write_marts(engine)
    assert read(engine) == FollowUp(None, None, [], [])
    show(engine)
    assert rows(LISTS) == []


def test_a_list_replaces_that_of_the_same_day_and_kind(engine: db.Engine, rows: Rows) -> None:
    write_marts(engine, entry("a", "stopped"), entry("b", "stopped"))
    show(engine)
    show(engine, "digest")
    write_marts(engine, entry("a", "wearing_less"))
    show(engine)
    assert rows(LISTS) == [("digest", AS_OF), ("report", AS_OF)]
    assert rows(
        "select told_by, user_id, reason from ops.follow_up_entries inner join ops.follow_up_lists using (list_id)"
        " order by 1, 2"
    ) == [("digest", "a", "stopped"), ("digest", "b", "stopped"), ("report", "a", "wearing_less")]


def test_a_digest_is_compared_with_digests(engine: db.Engine) -> None:
    write_marts(engine, entry("a", "stopped"), as_of_date=days_ago(7))
    show(engine, "digest")
    write_marts(engine, entry("a", "stopped"), entry("b", "stopped"), as_of_date=days_ago(1))
    show(engine)
    write_marts(engine, entry("a", "stopped"), entry("b", "stopped"))
    for told_by, day, is_new in (("report", days_ago(1), [False, False]), ("digest", days_ago(7), [False, True])):
        found = read(engine, told_by)  # type: ignore[arg-type]
        assert (found.compared_with, [each.is_new for each in found.entries]) == (day, is_new)


def test_lists_are_kept_for_60_days_of_data(engine: db.Engine, rows: Rows) -> None:
    for days in (61, 60, 7):
        write_marts(engine, entry("a", "stopped"), as_of_date=days_ago(days))
        show(engine)
    write_marts(engine, entry("a", "stopped"), as_of_date=days_ago(61))
    show(engine, "digest")
    write_marts(engine, entry("a", "stopped"))
    show(engine)
    kept = [("digest", days_ago(61)), ("report", days_ago(60)), ("report", days_ago(7)), ("report", AS_OF)]
    assert rows(LISTS) == kept
    assert rows("select count(*) from ops.follow_up_entries") == [(4,)]


def test_erase_takes_a_participant_off_all_lists(engine: db.Engine, rows: Rows) -> None:
    for days in (7, 0):
        write_marts(engine, entry("P01", "stopped"), entry("P02", "stopped"), as_of_date=days_ago(days))
        show(engine)
        show(engine, "digest")
    with db.transaction(engine) as connection:
        receipt = retraction.erase(connection, "raw", "P01", "a key", uuid4())
    assert receipt.rows["ops.follow_up_entries"] == 4
    assert rows("select distinct user_id from ops.follow_up_entries") == [("P02",)]
    # the day of a list stays: what is new can still be said of the others
    assert rows("select count(*) from ops.follow_up_lists") == [(4,)]


def test_the_loader_records_what_it_may_not_read(engine: db.Engine, database: Database, rows: Rows) -> None:
    """docker/postgres/roles.sql lets the loader write ops, and not read the marts."""
    role = f"loads_{os.getpid()}"
    write_marts(engine, entry("a", "stopped"))
    told = read(engine)
    execute(database, f"create role {role}")
    execute(database, f"grant usage on schema ops to {role}")
    execute(database, f"grant select, insert, update, delete on all tables in schema ops to {role}")
    try:
        with db.transaction(engine, role=role) as connection:
            follow_up.record(connection, "report", uuid4(), told)
        assert rows("select user_id from ops.follow_up_entries") == [("a",)]
    finally:
        execute(database, f"drop owned by {role}")
        execute(database, f"drop role {role}")
