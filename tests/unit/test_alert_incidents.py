"""Which channels are notified of an incident, and when."""

from datetime import UTC, datetime, timedelta

import pytest

from ingestion.alerts.incidents import Incident, Incidents, Notification, Rules

RULES = Rules(("slack", "email"), timedelta(hours=24))
SLACK_ONLY = Rules(("slack",), timedelta(hours=24))


@pytest.fixture
def records() -> list[Incident]:
    return []


def report(records: list[Incident], *causes: str, rules: Rules = RULES) -> Notification:
    return Incidents(records, rules).report("failure/run", causes, "it went wrong", run_id=None)


def close(records: list[Incident], started_at: datetime | None = None, rules: Rules = RULES) -> Notification | None:
    return Incidents(records, rules).close("failure/run", started_at or datetime.now(UTC))


def test_each_channel_is_notified_once_of_each_cause(records: list[Incident]) -> None:
    assert report(records, "a").channels == ("slack", "email")
    again = report(records, "a")
    assert (again.channels, again.times) == ((), 2)
    assert report(records, "a", "b").channels == ("slack", "email")
    # one of two causes is gone, which is nothing new
    assert report(records, "b").channels == ()


def test_an_added_channel_is_notified_of_an_open_incident(records: list[Incident]) -> None:
    report(records, "a", rules=SLACK_ONLY)
    assert report(records, "a").channels == ("email",)


def test_a_channel_is_reminded(records: list[Incident]) -> None:
    report(records, "a")
    assert report(records, "a", rules=Rules(("slack",), timedelta(0))).channels == ("slack",)


def test_the_end_is_sent_once_to_the_channels_that_were_notified(records: list[Incident]) -> None:
    assert close(records) is None
    first = report(records, "a", rules=SLACK_ONLY)
    closed = close(records)
    assert closed
    assert (closed.channels, closed.since, closed.summary) == (("slack",), first.since, "it went wrong")
    assert close(records) is None
    assert report(records, "a").channels == ("slack", "email")


def test_a_run_that_started_before_the_incident_does_not_close_it(records: list[Incident]) -> None:
    started_before = datetime.now(UTC)
    report(records, "a")
    assert close(records, started_before) is None
    assert report(records, "a").channels == ()
    assert close(records)


def test_a_failed_notification_is_repeated(records: list[Incident]) -> None:
    notification = report(records, "a")
    Incidents(records, RULES).undo(notification, "slack", is_over=False)
    assert report(records, "a").channels == ("slack",)
    closed = close(records)
    assert closed
    Incidents(records, RULES).undo(closed, "email", is_over=True)
    again = close(records)
    assert again
    assert again.channels == ("email",)
    assert close(records) is None


def test_a_failed_reminder_keeps_the_earlier_notification(records: list[Incident]) -> None:
    report(records, "a")
    rules = Rules(("slack",), timedelta(0))
    reminder = report(records, "a", rules=rules)
    Incidents(records, rules).undo(reminder, "slack", is_over=False)
    closed = close(records, rules=rules)
    assert closed
    assert closed.channels == ("slack",)
