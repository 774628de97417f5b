"""Who is told of what, and when: the rules, which are the same in the database and in the file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingestion.alerts.ledger import FileLedger, Rules, Standing

RULES = Rules(("slack", "email"), timedelta(hours=24))


@pytest.fixture
def ledger(tmp_path: Path) -> FileLedger:
    return FileLedger(tmp_path / "new" / "alerts.json")


def report(ledger: FileLedger, *causes: str, rules: Rules = RULES) -> Standing:
    with ledger.book(rules) as book:
        return book.report("failure/run", causes, "it went wrong", run_id=None)


def end(ledger: FileLedger, begun_at: datetime | None = None, rules: Rules = RULES) -> Standing | None:
    with ledger.book(rules) as book:
        return book.end("failure/run", begun_at or datetime.now(UTC))


def test_each_channel_is_told_once_of_each_cause(ledger: FileLedger) -> None:
    assert report(ledger, "a").due == ("slack", "email")
    again = report(ledger, "a")
    assert (again.due, again.times) == ((), 2)
    assert report(ledger, "a", "b").due == ("slack", "email")
    # one of two is gone: no news
    assert report(ledger, "b").due == ()


def test_a_channel_that_is_added_is_told_of_what_goes_on(ledger: FileLedger) -> None:
    report(ledger, "a", rules=Rules(("slack",), timedelta(hours=24)))
    assert report(ledger, "a").due == ("email",)


def test_a_reminder(ledger: FileLedger) -> None:
    report(ledger, "a")
    assert report(ledger, "a", rules=Rules(("slack",), timedelta(0))).due == ("slack",)


def test_its_end_is_told_once_to_those_who_were_told_of_it(ledger: FileLedger) -> None:
    assert end(ledger) is None
    first = report(ledger, "a", rules=Rules(("slack",), timedelta(hours=24)))
    ended = end(ledger)
    assert ended
    assert (ended.due, ended.since, ended.summary) == (("slack",), first.since, "it went wrong")
    assert end(ledger) is None
    assert report(ledger, "a").due == ("slack", "email")


def test_a_run_that_began_before_knows_nothing_of_its_end(ledger: FileLedger) -> None:
    began_before = datetime.now(UTC)
    report(ledger, "a")
    assert end(ledger, began_before) is None
    assert report(ledger, "a").due == ()
    assert end(ledger)


def test_what_failed_is_taken_back(ledger: FileLedger) -> None:
    standing = report(ledger, "a")
    with ledger.book(RULES) as book:
        book.take_back(standing, "slack", is_over=False)
    assert report(ledger, "a").due == ("slack",)
    ended = end(ledger)
    assert ended
    with ledger.book(RULES) as book:
        book.take_back(ended, "email", is_over=True)
    again = end(ledger)
    assert again
    assert again.due == ("email",)
    assert end(ledger) is None


def test_a_reminder_that_failed_leaves_what_was_told_before(ledger: FileLedger) -> None:
    report(ledger, "a")
    rules = Rules(("slack",), timedelta(0))
    reminder = report(ledger, "a", rules=rules)
    with ledger.book(rules) as book:
        book.take_back(reminder, "slack", is_over=False)
    ended = end(ledger, rules=rules)
    assert ended
    assert ended.due == ("slack",)


def test_what_is_written_while_the_block_fails_is_not_kept(ledger: FileLedger) -> None:
    with pytest.raises(OSError, match="no more"), ledger.book(RULES) as book:  # noqa: PT012
        book.report("failure/run", ("a",), "bad", run_id=None)
        raise OSError("no more")
    assert report(ledger, "a").times == 1
